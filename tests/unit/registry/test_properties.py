"""Whatever is asked in whatever order: at most one champion, nobody's without gates, and all of it can be had again."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.message import Message
from contracts.pipeline import AbsoluteGate, Policy, Promotion
from contracts.registry import (
    ApproveModelVersion,
    ModelCommandRefused,
    ModelVersionAwaitingApproval,
    ModelVersionDemoted,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
    RejectModelVersion,
    RollBackModel,
)
from contracts.serving import RolloutRolledBack
from contracts.training import PipelineRegistered
from services.registry.domain import Aliases, VersionState, replay
from services.registry.past.asof import ModelThen, VersionLife, VersionThen, as_of
from services.registry.past.ports import Records
from services.registry.past.replay import counts, take
from services.registry.past.versions import Unsettled
from services.registry.ports import Bundles
from tests.contracts.examples import GATES, PIPELINE, ROLLOUT
from tests.fakes.registry.examples import InMemoryRegistry, pipeline_registered, run_succeeded
from tests.fakes.registry.log import InMemoryLog

NUMBERS = st.integers(1, 4)
WHOM = st.sampled_from(["champion", "challenger", "previous"]) | NUMBERS
"""A version by its number, or by what it is now: most rules are about those."""
PEOPLE = st.sampled_from(["ada", "bob"])
HOUR = timedelta(hours=1)
ASKING = {"policy": Policy.ASK, "approvals": 2, "approval_expires_after": HOUR}
EASY = Promotion(gates=(AbsoluteGate(metric="auc", at_least=0.6),))
PROMOTIONS = st.sampled_from(
    [
        *(Promotion(gates=GATES, policy=policy) for policy in Policy),
        Promotion(gates=GATES, **ASKING),
        EASY,
    ]
)


class RegistryLife(RuleBasedStateMachine):
    """Keeps its own picture of the aliases from the facts alone, and holds the registry against it."""

    @initialize(promotion=PROMOTIONS, champions=st.integers(0, 3))
    def open(self, promotion: Promotion, champions: int) -> None:
        self.registry = InMemoryRegistry()
        self.log = InMemoryLog()
        self.seen = Aliases()
        self.numbers: list[int] = []
        self.runs = 0
        self.moments: dict[datetime, ModelThen] = {}
        self._hear(_registered(EASY))
        for _ in range(champions):
            self._finish_run(0.9, self.seen.champion)
        self._hear(_registered(promotion))

    @rule(promotion=PROMOTIONS)
    def ask_for_something_else(self, promotion: Promotion) -> None:
        self._hear(_registered(promotion))

    @rule(auc=st.sampled_from([0.5, 0.7, 0.9]), stale=st.booleans())
    def finish_run(self, auc: float, stale: bool) -> None:
        self._finish_run(auc, self.seen.previous if stale else self.seen.champion)

    def _finish_run(self, auc: float, compared: int | None) -> None:
        self.runs += 1
        rival = {"auc": 0.69} if compared else {}
        found = {"metrics": {"auc": auc}, "champion_version": compared, "champion_metrics": rival}
        self.log.add([run_succeeded(self.runs)], self.registry.now)
        self._take(_run(self.registry.succeed(self.runs, **found)))

    @rule(number=NUMBERS)
    def say_again(self, number: int) -> None:
        if number <= self.runs:
            assert self._hear(run_succeeded(number)) == []

    @rule(whom=WHOM, person=PEOPLE)
    def approve(self, whom: str | int, person: str) -> None:
        said = {"approved_by": person, "reason": "looks right"}
        self._hear(ApproveModelVersion(pipeline=PIPELINE, version=self.number(whom) or 1, **said))

    @rule(whom=WHOM, person=PEOPLE)
    def reject(self, whom: str | int, person: str) -> None:
        said = {"rejected_by": person, "reason": "wrong holiday"}
        self._hear(RejectModelVersion(pipeline=PIPELINE, version=self.number(whom) or 1, **said))

    @rule(number=st.none() | NUMBERS, spoilt=st.booleans())
    def roll_back(self, number: int | None, spoilt: bool) -> None:
        target = number or self.seen.previous
        uri = run_succeeded(target or 1).bundle_uri
        if spoilt:
            self.registry.bundles.spoilt.add(uri)
        said = self._hear(RollBackModel(pipeline=PIPELINE, to_version=number, requested_by="eve", reason="complaints"))
        assert not (spoilt and any(isinstance(fact, ModelVersionPromoted) for fact in said))
        self.registry.bundles.spoilt.discard(uri)

    @rule(whom=st.just("champion") | WHOM, serving=st.just("previous") | st.none() | WHOM, age=st.integers(0, 1))
    def have_a_rollout_rolled_back(self, whom: str | int, serving: str | int | None, age: int) -> None:
        self._hear(
            RolloutRolledBack(
                pipeline=PIPELINE,
                rollout_id=ROLLOUT,
                version=self.number(whom) or 1,
                serving_version=self.number(serving),
                promoted_at=self.registry.now - age * HOUR,
                reason="errors",
            )
        )

    @rule(hours=st.integers(0, 2))
    def let_time_pass(self, hours: int) -> None:
        self.registry.now += timedelta(minutes=1) + hours * HOUR
        self._take(_run(self.registry.expire()))

    @invariant()
    def aliases_are_as_they_were_said(self) -> None:
        assert replay(_run(self.registry.history.of_model(PIPELINE))) == self.seen

    @invariant()
    def champion_passed_its_gates(self) -> None:
        if self.seen.champion:
            version = _run(self.registry.versions.get(PIPELINE, self.seen.champion))
            assert version.state is VersionState.PROMOTED
            assert version.decision is not None
            assert all(verdict.passed for verdict in version.verdicts)
            assert version.approvals_missing <= 0 or not version.approvals
            assert len({given.by for given in version.approvals}) == len(version.approvals)

    @invariant()
    def numbers_count_up(self) -> None:
        assert self.numbers == list(range(1, len(self.numbers) + 1))

    @invariant()
    def note_the_moment(self) -> None:
        versions = _run(self.registry.versions.of_model(PIPELINE))
        then = (VersionThen(each.number, each.state, each.decision, each.registered_at) for each in versions)
        self.moments[self.registry.now] = ModelThen(self.seen, tuple(then))

    def teardown(self) -> None:
        if hasattr(self, "registry"):
            self._every_moment_can_be_seen_again()
            self._log_gives_the_registry_back()

    def _every_moment_can_be_seen_again(self) -> None:
        lives = [VersionLife.of(version) for version in _run(self.registry.versions.of_model(PIPELINE))]
        history = _run(self.registry.history.of_model(PIPELINE))
        for moment, then in self.moments.items():
            assert as_of(lives, history, moment) == then

    def _log_gives_the_registry_back(self) -> None:
        for log in (self.log, self.log.older()):
            again = InMemoryRegistry()
            retold = {
                **self.ports_of(again),
                Bundles: self.registry.bundles,
                Records: self.registry.bundles,
                Unsettled: Unsettled(),
            }
            _run(_retell(log, retold))
            assert self.state_of(again) == self.state_of(self.registry)
            assert _run(again.inspections.due(datetime.max.replace(tzinfo=self.registry.now.tzinfo), limit=9)) == []

    def number(self, whom: str | int | None) -> int | None:
        return getattr(self.seen, whom) if isinstance(whom, str) else whom

    def ports_of(self, registry: InMemoryRegistry) -> dict[type, object]:
        return registry.ports

    def state_of(self, registry: InMemoryRegistry) -> tuple[object, ...]:
        return (
            _run(registry.models.all()),
            _run(registry.versions.of_model(PIPELINE)),
            _run(registry.history.of_model(PIPELINE)),
        )

    def _hear(self, message: Message) -> list[Message]:
        self.log.add([message], self.registry.now)
        said: list[Message] = _run(self.registry.hear(message))
        self._take(said)
        return said

    def _take(self, said: list[Message]) -> None:
        self.log.add(said, self.registry.now)
        for fact in said:
            for move in getattr(fact, "moved", None) or ():
                assert getattr(self.seen, move.alias) == move.previous_version
                self.seen = replace(self.seen, **{move.alias: move.version})
            match fact:
                case ModelVersionRegistered(version=number):
                    self.numbers.append(number)
                case ModelVersionPromoted(version=number, previous_version=previous):
                    assert self.seen.champion == number != previous
                case ModelVersionDemoted(version=number, champion_version=champion):
                    assert self.seen.champion == champion != number
                case ModelVersionAwaitingApproval(version=number):
                    assert self.seen.challenger == number
                case ModelVersionRejected(version=int(number)):
                    assert self.seen.challenger != number
                case ModelCommandRefused(detail=detail):
                    assert detail


def _registered(promotion: Promotion) -> PipelineRegistered:
    event = pipeline_registered()
    return event.model_copy(update={"definition": event.definition.model_copy(update={"promotion": promotion})})


async def _retell(log: InMemoryLog, ports: dict[type, object]) -> None:
    async for said in log:
        if counts(said):
            await take(said, ports.__getitem__)


def _run(waiting):  # type: ignore[no-untyped-def]
    """Run a coroutine that never really waits, since everything is in memory."""
    try:
        waiting.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("something waited")


TestRegistryLife = RegistryLife.TestCase
TestRegistryLife.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
