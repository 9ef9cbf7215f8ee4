"""Versions take over step by step; what is worse goes back, and a person's word counts."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.message import Message
from contracts.monitoring import QualityDegraded
from contracts.rollout import Canary, Guard, Shadow, WhenQuiet
from contracts.rollout import Rollout as Plan
from contracts.serving import (
    AbortRollout,
    GuardTest,
    PauseRollout,
    PromoteRollout,
    ResumeRollout,
    RolloutCommandRefused,
    RolloutCompleted,
    RolloutHastened,
    RolloutPaused,
    RolloutResumed,
    RolloutRolledBack,
    RolloutStarted,
    RolloutStepped,
)
from services.serving.domain import RolloutState
from tests.fakes.serving.examples import NOW
from tests.fakes.serving.story import Manner, Story

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PLAN = Plan(
    steps=(
        Shadow(bake=5 * SECOND, min_requests=100, max_wait=MINUTE),
        Canary(share=0.1, bake=5 * SECOND, min_requests=50, max_wait=MINUTE),
        Canary(share=0.5, bake=5 * SECOND, min_requests=50, max_wait=MINUTE),
    ),
    bake=10 * SECOND,
    guard=Guard(slow_s=0.1),
)


@pytest.fixture
async def story() -> Story:
    """Version 1 answers; the next one is guarded."""
    return await answering_one(PLAN)


async def answering_one(plan: Plan) -> Story:
    story = Story(plan)
    await story.promote(1)
    await story.settle()
    story.work.said.clear()
    return story


async def until(story: Story, state: RolloutState, version: int = 2, *, step: int | None = None) -> None:
    """Go on second by second until a rollout is there."""
    for _ in range(200):
        await story.settle(1, every_s=1)
        found = await story.rollout(version)
        if found.state is state and step in (None, found.step):
            return
    raise AssertionError(f"version {version} is {found.state} at step {found.step}, not {state}: {found.detail}")


async def test_first_version_has_nothing_to_be_held_against_and_takes_over_at_once() -> None:
    story = Story(PLAN)
    await story.promote(1)

    await story.settle()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]


async def test_good_version_reaches_all_traffic_unattended(story: Story) -> None:
    story.asked = 40
    await story.promote(2)

    await until(story, RolloutState.COMPLETED)

    stepped = [one for one in story.work.said if isinstance(one, RolloutStepped)]
    assert [(one.kind, one.step, one.steps, one.share) for one in stepped] == [
        ("shadow", 0, 4, 1.0),
        ("canary", 1, 4, 0.1),
        ("canary", 2, 4, 0.5),
        ("bake", 3, 4, 1.0),
    ]
    assert [kind for kind, _ in story.facts if kind is not RolloutStepped] == [RolloutStarted, RolloutCompleted]
    assert (await story.desired()).split is None


async def test_what_replicas_are_told_in_each_step(story: Story) -> None:
    story.asked = 40
    await story.promote(2)

    told = {}
    for step in range(4):
        await until(story, RolloutState.BAKING if step == 3 else RolloutState.STEPPING, step=step)
        desired = await story.desired()
        assert desired.split is not None
        told[step] = (desired.answering, desired.split.candidate, desired.split.shadow, desired.split.share)

    assert told == {0: (1, 2, True, 1.0), 1: (1, 2, False, 0.1), 2: (1, 2, False, 0.5), 3: (2, 1, True, 0.1)}


@pytest.mark.parametrize(
    ("manner", "test"),
    [
        (Manner(fails=0.5), GuardTest.ERRORS),
        (Manner(slow=1.0), GuardTest.SLOW),
        (Manner(cell=3), GuardTest.SHIFT),
    ],
    ids=["erroring", "slow", "shifted"],
)
async def test_bad_version_does_not_pass_its_first_step(story: Story, manner: Manner, test: GuardTest) -> None:
    story.asked, story.manners = 20, {2: manner}
    await story.promote(2)

    await until(story, RolloutState.ROLLED_BACK)

    fact = story.work.said[-1]
    assert isinstance(fact, RolloutRolledBack)
    assert (fact.step, fact.serving_version, fact.superseded) == (0, 1, False)
    assert fact.reason.startswith(test.value)
    (failed,) = [one for one in fact.verdicts if one.test is test]
    assert failed.statistic >= failed.threshold
    assert failed.candidate_requests > 0
    await story.look()
    desired = await story.desired()
    assert ([one.version for one in desired.versions], desired.answering, desired.split) == ([1], 1, None)


async def test_version_that_turns_bad_while_it_bakes_goes_back_at_once(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.BAKING)
    story.manners = {2: Manner(fails=1.0)}

    await until(story, RolloutState.ROLLED_BACK)

    fact = story.work.said[-1]
    assert isinstance(fact, RolloutRolledBack)
    assert (fact.step, fact.serving_version) == (3, 1)
    await story.look()
    assert (await story.desired()).answering == 1


@pytest.mark.parametrize("state", [RolloutState.LOADING, RolloutState.STEPPING, RolloutState.FLIPPING])
async def test_service_that_dies_in_a_state_goes_on_where_it_was(story: Story, state: RolloutState) -> None:
    story.asked = 40
    await story.promote(2)
    for _ in range(60):
        await story.look()
        if (await story.rollout(2)).state is state:
            break
        await story.obey()
        story.now += SECOND

    story.driver = story.new_driver()
    await until(story, RolloutState.COMPLETED)

    assert [kind for kind, _ in story.facts] == [RolloutStarted, *[RolloutStepped] * 4, RolloutCompleted]


async def test_what_a_dead_replica_has_seen_still_counts(story: Story) -> None:
    story.asked, story.manners = 6, {2: Manner(fails=0.5)}
    await story.promote(2)
    await until(story, RolloutState.STEPPING)
    await story.settle(1, every_s=1)

    for number in range(6):
        story.restart_replica(f"replica-{number}")
        await story.settle(2, every_s=1)

    (rollout,) = [one for one in await story.rollouts.recent() if one.version == 2]
    assert rollout.state is RolloutState.ROLLED_BACK
    assert len(rollout.evidence.present.seen) > 1


@pytest.mark.parametrize(
    ("quiet", "state"),
    [
        (WhenQuiet.GO_ON, RolloutState.COMPLETED),
        (WhenQuiet.PAUSE, RolloutState.STEPPING),
        (WhenQuiet.ROLL_BACK, RolloutState.ROLLED_BACK),
    ],
)
async def test_step_nobody_asks_waits_so_long_and_then_does_as_planned(quiet: WhenQuiet, state: RolloutState) -> None:
    story = await answering_one(PLAN.model_copy(update={"when_quiet": quiet}))
    await story.promote(2)

    await until(story, RolloutState.STEPPING)
    await story.settle(50, every_s=1)
    early = await story.rollout(2)
    await story.settle(180, every_s=1)

    found = await story.rollout(2)
    assert (early.state, early.step) == (RolloutState.STEPPING, 0)
    assert found.state is state
    assert found.paused == (quiet is WhenQuiet.PAUSE)
    assert (RolloutPaused in [kind for kind, _ in story.facts]) == found.paused


async def test_quiet_rollout_that_paused_itself_waits_anew_once_a_person_resumes_it() -> None:
    story = await answering_one(PLAN.model_copy(update={"when_quiet": WhenQuiet.PAUSE}))
    await story.promote(2)
    await story.settle(80, every_s=1)
    assert (await story.rollout(2)).paused

    await story.say(ResumeRollout(**by_ada()))
    await story.settle(30, every_s=1)
    waiting = await story.rollout(2)
    story.asked = 40
    await until(story, RolloutState.COMPLETED)

    assert (waiting.state, waiting.paused) == (RolloutState.STEPPING, False)


async def test_person_pauses_resumes_and_skips_the_rest(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.STEPPING)

    assert kinds(await story.say(PauseRollout(**by_ada()))) == [RolloutPaused]
    await story.settle(30, every_s=1)
    paused = await story.rollout(2)
    assert kinds(await story.say(ResumeRollout(**by_ada()))) == [RolloutResumed]
    await until(story, RolloutState.STEPPING, step=1)
    assert kinds(await story.say(PromoteRollout(**by_ada()))) == [RolloutHastened]
    await story.settle(4, every_s=1)

    assert (paused.state, paused.step) == (RolloutState.STEPPING, 0)
    assert (await story.rollout(2)).state is RolloutState.COMPLETED


async def test_paused_rollout_is_still_guarded(story: Story) -> None:
    story.asked, story.manners = 40, {2: Manner(fails=1.0)}
    await story.promote(2)
    await story.say(PauseRollout(**by_ada()))

    await story.settle(3, every_s=1)
    held = await story.rollout(2)
    await story.say(ResumeRollout(**by_ada()))
    await until(story, RolloutState.STEPPING)
    await story.say(PauseRollout(**by_ada()))
    await until(story, RolloutState.ROLLED_BACK)

    assert held.state is RolloutState.LOADING


@pytest.mark.parametrize("state", [RolloutState.PENDING, RolloutState.STEPPING, RolloutState.BAKING])
async def test_person_aborts_and_the_former_version_has_everything_again(story: Story, state: RolloutState) -> None:
    story.asked = 40
    await story.promote(2)
    if state is not RolloutState.PENDING:
        await until(story, state)

    (fact,) = await story.say(AbortRollout(**by_ada()))
    await story.look()

    assert isinstance(fact, RolloutRolledBack)
    assert (fact.serving_version, fact.reason) == (1, "aborted by ada: LGA")
    desired = await story.desired()
    assert (desired.answering, desired.split) == (1, None)


async def test_what_makes_no_sense_is_refused_with_its_rule(story: Story) -> None:
    rules = []
    for command in (PauseRollout, ResumeRollout, PromoteRollout, AbortRollout):
        (refused,) = await story.say(command(**by_ada()))
        assert isinstance(refused, RolloutCommandRefused)
        rules.append(refused.rule)
    over = await story.rollout(1)
    (refused,) = await story.say(AbortRollout(**by_ada(), rollout_id=over.id))
    assert isinstance(refused, RolloutCommandRefused)

    assert rules == ["rollout_not_found"] * 4
    assert refused.rule == "rollout_over"


async def test_degraded_quality_rolls_a_candidate_back_and_nothing_else(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.STEPPING, step=1)

    assert await story.say(degraded(1)) == []
    (fact,) = await story.say(degraded(2))

    assert isinstance(fact, RolloutRolledBack)
    assert fact.reason.startswith("quality: auc 0.61")
    assert await story.say(degraded(2)) == []


async def test_newer_promotion_ends_a_canary_and_starts_from_the_champion(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.STEPPING, step=1)
    await story.promote(3)
    await story.look()

    between = await story.desired()
    await until(story, RolloutState.STEPPING, 3, step=1)
    desired = await story.desired()
    await until(story, RolloutState.COMPLETED, 3)

    superseded = next(one for one in story.work.said if isinstance(one, RolloutRolledBack))
    assert (superseded.version, superseded.superseded, superseded.serving_version) == (2, True, 1)
    assert (between.answering, between.split) == (1, None)
    assert desired.split is not None
    assert (desired.answering, desired.split.candidate) == (1, 3)
    assert [one.previous_version for one in story.work.said if isinstance(one, RolloutCompleted)] == [1]


async def test_promotion_of_the_version_that_answers_ends_the_canary_and_is_through_at_once(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.STEPPING, step=1)

    await story.promote(1)
    await story.settle(4)

    assert [fact for fact in story.facts if fact[0] is not RolloutStepped] == [
        (RolloutStarted, 2),
        (RolloutRolledBack, 2),
        (RolloutStarted, 1),
        (RolloutCompleted, 1),
    ]


async def test_way_back_from_a_version_that_bakes_is_one_move(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.BAKING)

    await story.promote(1)
    await story.look()

    assert (await story.desired()).answering == 1


async def test_other_promotion_waits_until_the_version_that_answers_has_baked(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.BAKING)

    await story.promote(3)
    await until(story, RolloutState.COMPLETED, 3)

    completed = [one for one in story.work.said if isinstance(one, RolloutCompleted)]
    assert [(one.version, one.previous_version) for one in completed] == [(2, 1), (3, 2)]


async def test_slow_is_measured_on_the_champion_before_it_is_held_against_anybody() -> None:
    plan = PLAN.model_copy(update={"guard": Guard(slow_factor=3)})
    story = await answering_one(plan)
    story.asked = 20
    await story.promote(2)

    await until(story, RolloutState.STEPPING)
    split = (await story.desired()).split
    await story.settle(4, every_s=1)
    later = (await story.desired()).split

    assert split is not None
    assert later is not None
    assert (split.slow_s, later.slow_s) == (None, pytest.approx(0.03))


async def test_evidence_is_written_down_once_a_second(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await until(story, RolloutState.STEPPING)
    await story.settle(1)
    before = await story.rollout(2)

    await story.settle(5)

    assert await story.rollout(2) == before


def by_ada() -> dict[str, Any]:
    return {"pipeline": "flights", "requested_by": "ada", "reason": "LGA"}


def kinds(facts: list[Message]) -> list[type[Message]]:
    return [type(fact) for fact in facts]


def degraded(version: int) -> QualityDegraded:
    return QualityDegraded(
        pipeline="flights",
        version=version,
        window_start=NOW,
        window_end=NOW + MINUTE,
        metric="auc",
        value=0.61,
        low=0.59,
        high=0.63,
        reference=0.71,
        threshold=0.68,
        predictions=600,
        labelled=600,
    )
