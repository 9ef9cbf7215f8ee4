"""Versions take over step by step, and what is worse goes back."""

import pytest

from contracts.rollout import Guard, WhenQuiet
from contracts.serving import (
    GuardTest,
    RolloutCompleted,
    RolloutPaused,
    RolloutRolledBack,
    RolloutStarted,
    RolloutStepped,
)
from services.serving.domain import RolloutState
from tests.fakes.serving.story import GUARDED, MINUTE, SECOND, Manner, Story


@pytest.fixture
async def story() -> Story:
    """Version 1 answers; the next one is guarded."""
    return await Story.answering_one(GUARDED)


async def test_first_version_has_nothing_to_be_held_against_and_takes_over_at_once() -> None:
    story = Story(GUARDED)
    await story.promote(1)

    await story.settle()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]


async def test_good_version_reaches_all_traffic_unattended(story: Story) -> None:
    story.asked = 40
    await story.promote(2)

    await story.until(RolloutState.COMPLETED)

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
        await story.until(RolloutState.BAKING if step == 3 else RolloutState.STEPPING, step=step)
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

    await story.until(RolloutState.ROLLED_BACK)

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


@pytest.mark.parametrize("state", [RolloutState.STEPPING, RolloutState.BAKING])
async def test_version_that_takes_its_replicas_down_leaves_no_count_and_goes_back(
    story: Story, state: RolloutState
) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(state)
    story.asked = 0
    for life in range(10):
        story.restart_replica(f"life-{life}")
        await story.settle(1, every_s=1)

    rollout = await story.rollout(2)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.detail.endswith("replicas died and were replaced")
    await story.look()
    assert (await story.desired()).answering == 1


async def test_version_that_turns_bad_while_it_bakes_goes_back_at_once(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.BAKING)
    story.manners = {2: Manner(fails=1.0)}

    await story.until(RolloutState.ROLLED_BACK)

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
    await story.until(RolloutState.COMPLETED)

    assert [kind for kind, _ in story.facts] == [RolloutStarted, *[RolloutStepped] * 4, RolloutCompleted]


async def test_what_a_dead_replica_has_seen_still_counts(story: Story) -> None:
    story.asked, story.manners = 6, {2: Manner(fails=0.5)}
    await story.promote(2)
    await story.until(RolloutState.STEPPING)
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
    story = await Story.answering_one(GUARDED.model_copy(update={"when_quiet": quiet}))
    await story.promote(2)

    await story.until(RolloutState.STEPPING)
    await story.settle(50, every_s=1)
    early = await story.rollout(2)
    await story.settle(180, every_s=1)

    found = await story.rollout(2)
    assert (early.state, early.step) == (RolloutState.STEPPING, 0)
    assert found.state is state
    assert found.paused == (quiet is WhenQuiet.PAUSE)
    assert (RolloutPaused in [kind for kind, _ in story.facts]) == found.paused


@pytest.mark.parametrize("away", ["service", "cluster"])
async def test_an_outage_is_no_time_in_which_nobody_asked(away: str) -> None:
    story = await Story.answering_one(GUARDED.model_copy(update={"when_quiet": WhenQuiet.ROLL_BACK}))
    await story.promote(2)
    await story.until(RolloutState.STEPPING)
    await story.settle(20, every_s=1)

    if away == "service":
        story.now += 10 * MINUTE
        story.driver = story.new_driver()
    else:
        story.board.silence("flights", story.replica)
        for _ in range(120):
            story.now += SECOND
            await story.look()
    await story.settle(30, every_s=1)
    back = await story.rollout(2)
    await story.settle(20, every_s=1)

    assert (back.state, back.step) == (RolloutState.STEPPING, 0)
    assert (await story.rollout(2)).state is RolloutState.ROLLED_BACK, "asked too little, in the time that counts"


async def test_a_version_does_not_bake_while_nobody_watches(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.BAKING)

    story.now += 10 * MINUTE
    await story.settle(5, every_s=1)
    back = await story.rollout(2)
    await story.until(RolloutState.COMPLETED)

    assert back.state is RolloutState.BAKING


async def test_slow_is_measured_on_the_champion_before_it_is_held_against_anybody() -> None:
    plan = GUARDED.model_copy(update={"guard": Guard(slow_factor=3)})
    story = await Story.answering_one(plan)
    story.asked = 20
    await story.promote(2)

    await story.until(RolloutState.STEPPING)
    split = (await story.desired()).split
    await story.settle(4, every_s=1)
    later = (await story.desired()).split

    assert split is not None
    assert later is not None
    assert (split.slow_s, later.slow_s) == (None, pytest.approx(0.03))


async def test_evidence_is_written_down_once_a_second(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.STEPPING)
    await story.settle(1)
    before = await story.rollout(2)

    await story.settle(5)

    assert await story.rollout(2) == before
