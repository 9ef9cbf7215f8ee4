"""Whatever replicas report, whoever dies and whatever people say, in any order: at most one version answers."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.rollout import Canary, Guard, Shadow, WhenQuiet
from contracts.rollout import Rollout as Plan
from services.chassis.errors import RejectedError
from services.serving.advancing import abort, advance, hasten, pause, resume, roll_back, supersede
from services.serving.desired import DesiredState, desire
from services.serving.domain import (
    BEFORE_FLIP,
    OPEN,
    Fleet,
    Held,
    HoldState,
    Replica,
    Rollout,
    RolloutState,
    settle,
)
from services.serving.traffic import Traffic
from tests.fakes.serving.examples import NOW, deployment, rollout

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
    bake=st.sampled_from([timedelta(0), MINUTE]),
    when_quiet=st.sampled_from(WhenQuiet),
    guard=st.just(Guard(slow_s=0.1)),
)
OVER = frozenset(RolloutState) - OPEN


class RolloutStory(RuleBasedStateMachine):
    """One champion, one candidate after the other, replicas that obey, lag, die and lie, people who interfere."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        first = rollout(1, state=RolloutState.COMPLETED)
        self.deployment = deployment(replicas=2, answering=first.id)
        self.rollouts = {first.id: first}
        self.replicas: dict[str, Replica] = {}
        self.numbers = 1
        self.loaded_for = {(1, first.id)}
        """Versions that some replica verified, and for which rollout."""
        for name in "ab":
            self.obey(name, fails=0)

    @property
    def open(self) -> list[Rollout]:
        return [one for one in self.rollouts.values() if one.state in OPEN]

    @property
    def desired(self) -> DesiredState:
        return desire(self.deployment, self.rollouts.values())

    def write(self, before: Rollout, after: Rollout) -> None:
        """Put a rollout on record, as the driver and the handlers do."""
        assert before.state in OPEN or after == before, "what is over stays over"
        if before.step is not None and after.step is not None:
            assert after.step - before.step in (0, 1), "steps come one after the other"
        if before.state in BEFORE_FLIP and after.state not in BEFORE_FLIP | OVER:
            assert after.state is RolloutState.FLIPPING
            assert (after.version, after.id) in self.loaded_for, "verified before any traffic"
        self.deployment = settle(self.deployment, after)
        self.rollouts[after.id] = after

    @rule(plan=PLANS, hurry=st.integers(0, 9))
    def promote(self, plan: Plan, hurry: int) -> None:
        if self.open and hurry:
            return
        self.numbers += 1
        for waiting in self.open:
            if waiting.state in BEFORE_FLIP:
                self.write(waiting, supersede(waiting, self.numbers, now=self.now))
        new = rollout(self.numbers, plan=plan, requested_at=self.now)
        self.rollouts[new.id] = new

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
            self.look(59, reachable=True)

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
            answering = self.desired.answering
            self.write(before, advance(before, self.deployment, fleet, answering=answering, now=self.now))

    @precondition(lambda self: self.open)
    @rule(
        word=st.sampled_from(["pause", "resume", "resume", "hasten", "abort", "quality"]), seriously=st.integers(0, 9)
    )
    def say(self, word: str, seriously: int) -> None:
        if seriously:
            return
        before = self.open[0]
        with suppress(RejectedError):
            match word:
                case "pause":
                    after = pause(before)
                case "resume":
                    after = resume(before, now=self.now)
                case "hasten":
                    after = hasten(before, now=self.now)
                case "abort":
                    after = abort(before, self.deployment, "by ada", now=self.now)
                case _:
                    if before.state is not RolloutState.BAKING:
                        return
                    after = roll_back(before, "quality", now=self.now)
            self.write(before, after)

    @invariant()
    def somebody_answers_and_only_one(self) -> None:
        assert self.deployment.answering is not None
        chosen = self.rollouts[self.deployment.answering]
        assert chosen.state not in OVER - {RolloutState.COMPLETED}, "what was rolled back never answers"
        assert chosen.state not in BEFORE_FLIP
        assert self.desired.answering == chosen.version

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


RolloutStory.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestRolloutStory = RolloutStory.TestCase
