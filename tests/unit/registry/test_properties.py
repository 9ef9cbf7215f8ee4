"""Whatever is asked in whatever order: at most one champion, and the history says where the aliases point."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.message import Message
from contracts.pipeline import Policy
from contracts.registry import (
    ApproveModelVersion,
    ModelCommandRefused,
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
    RejectModelVersion,
    RollBackModel,
)
from services.registry.domain import Aliases, VersionState, replay
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry, pipeline_registered, run_succeeded

NUMBERS = st.integers(1, 6)
PERSON = {"pipeline": PIPELINE, "reason": "because"}


class RegistryLife(RuleBasedStateMachine):
    """Keeps its own picture of the aliases from the facts alone, and holds the registry against it."""

    @initialize(policy=st.sampled_from(Policy))
    def open(self, policy: Policy) -> None:
        self.registry = InMemoryRegistry()
        self.seen = Aliases()
        self.numbers: list[int] = []
        self.runs = 0
        self._hear(pipeline_registered(policy=policy))

    @rule(policy=st.sampled_from(Policy))
    def change_policy(self, policy: Policy) -> None:
        self._hear(pipeline_registered(policy=policy))

    @rule(auc=st.sampled_from([0.5, 0.7, 0.9]), stale=st.booleans())
    def finish_run(self, auc: float, stale: bool) -> None:
        self.runs += 1
        compared = self.seen.previous if stale else self.seen.champion
        rival = {"auc": 0.69} if compared else {}
        found = {"metrics": {"auc": auc}, "champion_version": compared, "champion_metrics": rival}
        self._take(_run(self.registry.succeed(self.runs, **found)))

    @rule(number=NUMBERS)
    def say_again(self, number: int) -> None:
        if number <= self.runs:
            assert self._hear(run_succeeded(number)) == []

    @rule(number=NUMBERS)
    def approve(self, number: int) -> None:
        self._hear(ApproveModelVersion(version=number, approved_by="ada", **PERSON))

    @rule(number=NUMBERS)
    def reject(self, number: int) -> None:
        self._hear(RejectModelVersion(version=number, rejected_by="bob", **PERSON))

    @rule(number=st.none() | NUMBERS, spoilt=st.booleans())
    def roll_back(self, number: int | None, spoilt: bool) -> None:
        target = number or self.seen.previous
        uri = run_succeeded(target or 1).bundle_uri
        if spoilt:
            self.registry.bundles.spoilt.add(uri)
        said = self._hear(RollBackModel(to_version=number, requested_by="eve", **PERSON))
        assert not (spoilt and any(isinstance(fact, ModelVersionPromoted) for fact in said))
        self.registry.bundles.spoilt.discard(uri)

    @invariant()
    def aliases_are_as_they_were_said(self) -> None:
        aliases = replay(_run(self.registry.history.of_model(PIPELINE)))
        assert aliases == self.seen

    @invariant()
    def champion_was_promoted(self) -> None:
        if self.seen.champion:
            version = _run(self.registry.versions.get(PIPELINE, self.seen.champion))
            assert version is not None
            assert version.state is VersionState.PROMOTED
            assert version.decision is not None

    @invariant()
    def numbers_count_up(self) -> None:
        assert self.numbers == list(range(1, len(self.numbers) + 1))

    def _hear(self, message: Message) -> list[Message]:
        said: list[Message] = _run(self.registry.hear(message))
        self._take(said)
        return said

    def _take(self, said: list[Message]) -> None:
        for fact in said:
            match fact:
                case ModelVersionRegistered(version=number):
                    self.numbers.append(number)
                case ModelVersionPromoted(version=number, previous_version=previous):
                    assert previous == self.seen.champion
                    assert number != previous
                    self.seen = self.seen.promote(number)
                case ModelVersionAwaitingApproval(version=number):
                    self.seen = self.seen.challenge(number)
                case ModelVersionRejected(version=int(number)):
                    self.seen = self.seen.dismiss(number)
                case ModelCommandRefused(detail=detail):
                    assert detail


def _run(waiting):  # type: ignore[no-untyped-def]
    """Run a coroutine that never really waits, since everything is in memory."""
    try:
        waiting.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("something waited")


TestRegistryLife = RegistryLife.TestCase
TestRegistryLife.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
