"""Whatever replicas report, whoever dies and whatever people say, in any order: at most one version answers."""

from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.message import Message
from contracts.monitoring import QualityDegraded
from contracts.rollout import Canary, Guard, Shadow, WhenQuiet
from contracts.rollout import Rollout as Plan
from contracts.serving import AbortRollout, PauseRollout, PromoteRollout, ResumeRollout
from services.serving.advancing import advance
from services.serving.desired import DesiredState, desire
from services.serving.domain import (
    BEFORE_FLIP,
    OPEN,
    Deployment,
    Fleet,
    Held,
    HoldState,
    Replica,
    Rollout,
    RolloutState,
    in_turn,
    settle,
)
from services.serving.handlers import on_version_promoted
from services.serving.steering import (
    Steering,
    abort_rollout,
    on_quality_degraded,
    pause_rollout,
    promote_rollout,
    resume_rollout,
)
from services.serving.traffic import Traffic
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import NOW, cause, degraded, deployment, promoted, rollout
from tests.fakes.serving.rollouts import InMemoryRollouts

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
PLANS = st.builds(
    Plan,
    steps=st.sampled_from(
        [
            (),
            (Shadow(bake=MINUTE / 2, min_requests=5, max_wait=2 * MINUTE),),
            (Canary(share=0.1, bake=MINUTE / 2, min_requests=5, max_wait=2 * MINUTE), Canary(share=0.5, bake=MINUTE)),
        ]
    ),
    bake=st.sampled_from([timedelta(0), 5 * MINUTE]),
    when_quiet=st.sampled_from(WhenQuiet),
    guard=st.just(Guard(slow_s=0.1)),
)
WORDS: dict[type, Any] = {
    PauseRollout: pause_rollout,
    ResumeRollout: resume_rollout,
    PromoteRollout: promote_rollout,
    AbortRollout: abort_rollout,
}
OVER = frozenset(RolloutState) - OPEN


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing, as ports in memory do; an event loop for each would take most of the time."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waits for something")


class RolloutStory(RuleBasedStateMachine):
    """One champion, one candidate after the other, replicas that obey, lag, die and lie, people who interfere."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.deployments, self.kept = InMemoryDeployments(), InMemoryRollouts()
        first = rollout(1, state=RolloutState.COMPLETED, requested_at=NOW)
        at_once(self.kept.save(first))
        at_once(self.deployments.save(deployment(replicas=2, answering=first.id)))
        self.replicas: dict[str, Replica] = {}
        self.promotions = self.words = 0
        self.loaded_for = {(1, first.id)}
        """Versions that some replica verified, and for which rollout."""
        for name in "ab":
            self.obey(name, fails=0)

    @property
    def deployment(self) -> Deployment:
        found = at_once(self.deployments.get("flights"))
        assert found is not None
        return found

    @property
    def rollouts(self) -> dict[UUID, Rollout]:
        return {one.id: one for one in at_once(self.kept.recent(limit=1000))}

    @property
    def open(self) -> list[Rollout]:
        return in_turn(at_once(self.kept.open("flights")))

    @property
    def desired(self) -> DesiredState:
        return desire(self.deployment, self.rollouts.values())

    def hear(self, heard: Coroutine[Any, Any, list[Message]]) -> None:
        """Let the service handle a message."""
        before = self.rollouts
        at_once(heard)
        for id_, after in self.rollouts.items():
            if id_ in before:
                self.check(before[id_], after)

    def check(self, before: Rollout, after: Rollout) -> None:
        """Hold a rollout against what it was."""
        assert before.state in OPEN or after == before, "what is over stays over"
        if before.step is not None and after.step is not None:
            assert after.step - before.step in (0, 1), "steps come one after the other"
        if before.state in BEFORE_FLIP and after.state not in BEFORE_FLIP | OVER:
            assert after.state is RolloutState.FLIPPING
            assert (after.version, after.id) in self.loaded_for, "verified before any traffic"

    @rule(
        plan=PLANS,
        hurry=st.booleans(),
        whom=st.lists(st.sampled_from(["next", "answering", "former"]), min_size=1, max_size=2),
        clock_s=st.sampled_from([0, 0, -1000]),
    )
    def promote(self, plan: Plan, hurry: bool, whom: list[str], clock_s: int) -> None:
        """Promote the next version, or go back, or change one's mind; the registry's clock may go back as well."""
        if self.open and not hurry:
            return
        for which in whom:
            chosen = {"answering": self.deployment.answering, "former": self.deployment.previous}.get(which)
            version = (
                self.rollouts[chosen].version if chosen else max(one.version for one in self.rollouts.values()) + 1
            )
            self.promotions += 1
            at_once(self.deployments.save(replace(self.deployment, plan=plan)))
            said = cause(f"promotion-{self.promotions}", later_s=(self.now - NOW).total_seconds() + clock_s)
            self.hear(on_version_promoted(promoted(version), self.deployments, self.kept, said))

    @rule(name=st.sampled_from("ab"), fails=st.integers(0, 9))
    def obey(self, name: str, fails: int) -> None:
        desired, known = self.desired, self.replicas.get(name, Replica(name))
        held = dict(known.held)
        for one in desired.versions:
            if one.version in held and held[one.version].rollout_id == one.rollout_id:
                continue
            failed = fails == 9 and one.version != desired.answering
            held[one.version] = Held(one.rollout_id, HoldState.FAILED if failed else HoldState.LOADED)
            if not failed:
                self.loaded_for.add((one.version, one.rollout_id))
        wanted = {one.version for one in desired.versions}
        self.replicas[name] = replace(
            known, held={number: one for number, one in held.items() if number in wanted}, answering=desired.answering
        )

    @rule(looks=st.integers(1, 3), requests=st.integers(0, 20))
    def go_well(self, looks: int, requests: int) -> None:
        for _ in range(looks):
            for name in "ab":
                self.obey(name, fails=0)
                if requests:
                    self.count(name, requests, fails=0.0)
            for _ in range(2):
                self.look(30, reachable=True)

    @rule(name=st.sampled_from("ab"))
    def die(self, name: str) -> None:
        self.replicas.pop(name, None)

    @rule(name=st.sampled_from("ab"), requests=st.integers(1, 50), fails=st.floats(0, 1))
    def count(self, name: str, requests: int, fails: float) -> None:
        split, known = self.desired.split, self.replicas.get(name)
        if split is None or known is None:
            return
        of_rollout = self.rollouts[split.rollout_id]
        traffic = {key: counts for key, counts in known.traffic.items() if key[:2] == (split.rollout_id, split.step)}
        for version in (of_rollout.version, of_rollout.previous_version):
            key = (split.rollout_id, split.step, version or 0)
            errors = round(requests * fails) if version == of_rollout.version else 0
            traffic[key] = traffic.get(key, Traffic()) + Traffic(requests, errors)
        self.replicas[name] = replace(known, traffic=traffic)

    @rule(seconds=st.sampled_from([0, 1, 20, 50, 200]), reachable=st.booleans())
    def look(self, seconds: int, reachable: bool) -> None:
        self.now += timedelta(seconds=seconds)
        for before in self.open[:1]:
            fleet = Fleet(tuple(self.replicas.values()), reachable=reachable)
            after = advance(before, self.deployment, fleet, answering=self.desired.answering, now=self.now)
            self.check(before, after)
            at_once(self.deployments.save(settle(self.deployment, after)))
            at_once(self.kept.save(after))

    @precondition(lambda self: self.open)
    @rule(word=st.sampled_from([*WORDS, QualityDegraded]), seriously=st.integers(0, 9), whose=st.integers(0, 3))
    def say(self, word: type[Steering | QualityDegraded], seriously: int, whose: int) -> None:
        if seriously:
            return
        self.words += 1
        meant = self.open[0] if whose else self.open[-1]
        heard = cause(f"word-{self.words}", later_s=(self.now - NOW).total_seconds())
        if word is QualityDegraded:
            self.hear(on_quality_degraded(degraded(meant.version), self.deployments, self.kept, heard))
            return
        command: Any = word(pipeline="flights", rollout_id=meant.id, requested_by="ada", reason="LGA")
        self.hear(WORDS[word](command, self.deployments, self.kept, heard))

    @invariant()
    def somebody_answers_and_only_one(self) -> None:
        assert self.deployment.answering is not None
        chosen = self.rollouts[self.deployment.answering]
        assert chosen.state not in OVER - {RolloutState.COMPLETED}, "what was rolled back never answers"
        assert chosen.state not in BEFORE_FLIP
        assert self.desired.answering == chosen.version

    @invariant()
    def one_rollout_goes_on_at_a_time(self) -> None:
        begun = [one for one in self.open if one.state is not RolloutState.PENDING]
        assert begun in ([], self.open[:1])

    @invariant()
    def only_verified_versions_answer(self) -> None:
        assert self.deployment.answering is not None
        chosen = self.rollouts[self.deployment.answering]
        assert (chosen.version, chosen.id) in self.loaded_for

    @invariant()
    def traffic_is_split_only_while_two_versions_are_watched(self) -> None:
        desired = self.desired
        if desired.split is None:
            return
        watched = self.rollouts[desired.split.rollout_id]
        held = {one.version for one in desired.versions}
        assert watched.state in (RolloutState.STEPPING, RolloutState.BAKING)
        assert desired.split.candidate != desired.answering
        assert {desired.split.candidate, desired.answering} <= held
        assert desired.split.shadow or watched.state is RolloutState.STEPPING


RolloutStory.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestRolloutStory = RolloutStory.TestCase
