"""What people, newer promotions and monitoring do to a rollout under way."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.message import Message
from contracts.rollout import WhenQuiet
from contracts.serving import (
    AbortRollout,
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
from tests.fakes.serving.examples import degraded
from tests.fakes.serving.story import GUARDED, Manner, Story

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def story() -> Story:
    """Version 1 answers; the next one is guarded."""
    return await Story.answering_one(GUARDED)


async def test_quiet_rollout_that_paused_itself_waits_anew_once_a_person_resumes_it() -> None:
    story = await Story.answering_one(GUARDED.model_copy(update={"when_quiet": WhenQuiet.PAUSE}))
    await story.promote(2)
    await story.settle(80, every_s=1)
    assert (await story.rollout(2)).paused

    await story.say(ResumeRollout(**by_ada()))
    await story.settle(30, every_s=1)
    waiting = await story.rollout(2)
    story.asked = 40
    await story.until(RolloutState.COMPLETED)

    assert (waiting.state, waiting.paused) == (RolloutState.STEPPING, False)


async def test_person_pauses_resumes_and_skips_the_rest(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.STEPPING)

    assert kinds(await story.say(PauseRollout(**by_ada()))) == [RolloutPaused]
    await story.settle(30, every_s=1)
    paused = await story.rollout(2)
    assert kinds(await story.say(ResumeRollout(**by_ada()))) == [RolloutResumed]
    await story.until(RolloutState.STEPPING, step=1)
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
    await story.until(RolloutState.STEPPING)
    await story.say(PauseRollout(**by_ada()))
    await story.until(RolloutState.ROLLED_BACK)

    assert held.state is RolloutState.LOADING


@pytest.mark.parametrize("bad", [Manner(fails=1.0), "quality"])
async def test_who_pauses_what_was_promoted_by_hand_has_it_guarded_again(story: Story, bad: Manner | str) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.STEPPING)
    await story.say(PromoteRollout(**by_ada()))
    await story.say(PauseRollout(**by_ada()))
    await story.settle(5, every_s=1)
    paused = await story.rollout(2)

    if isinstance(bad, Manner):
        story.manners = {2: bad}
        await story.settle(10, every_s=1)
    else:
        await story.say(degraded(2))

    assert (paused.state, paused.hastened) == (RolloutState.STEPPING, True)
    assert (await story.rollout(2)).state is RolloutState.ROLLED_BACK


@pytest.mark.parametrize("state", [RolloutState.PENDING, RolloutState.STEPPING, RolloutState.BAKING])
async def test_person_aborts_and_the_former_version_has_everything_again(story: Story, state: RolloutState) -> None:
    story.asked = 40
    await story.promote(2)
    if state is not RolloutState.PENDING:
        await story.until(state)

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
    await story.until(RolloutState.STEPPING, step=1)

    assert await story.say(degraded(1)) == []
    (fact,) = await story.say(degraded(2))

    assert isinstance(fact, RolloutRolledBack)
    assert fact.reason.startswith("quality: auc 0.61")
    assert await story.say(degraded(2)) == []


async def test_newer_promotion_ends_a_canary_and_starts_from_the_champion(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.STEPPING, step=1)
    await story.promote(3)
    await story.look()

    between = await story.desired()
    await story.until(RolloutState.STEPPING, 3, step=1)
    desired = await story.desired()
    await story.until(RolloutState.COMPLETED, 3)

    superseded = next(one for one in story.work.said if isinstance(one, RolloutRolledBack))
    assert (superseded.version, superseded.superseded, superseded.serving_version) == (2, True, 1)
    assert (between.answering, between.split) == (1, None)
    assert desired.split is not None
    assert (desired.answering, desired.split.candidate) == (1, 3)
    assert [one.previous_version for one in story.work.said if isinstance(one, RolloutCompleted)] == [1]


async def test_promotion_of_the_version_that_answers_ends_the_canary_and_is_through_at_once(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.STEPPING, step=1)

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
    await story.until(RolloutState.BAKING)

    await story.promote(1)
    await story.look()

    assert (await story.desired()).answering == 1


async def test_way_back_takes_what_waits_along_and_the_former_version_answers(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.BAKING)
    await story.promote(3)

    await story.promote(1)
    await story.look()

    assert (await story.desired()).answering == 1
    over = [one for one in story.work.said if isinstance(one, RolloutRolledBack)]
    assert [(one.version, one.superseded, one.serving_version) for one in over] == [(2, True, 1), (3, True, 1)]


async def test_way_back_does_not_wait_for_the_bake_of_a_version_that_is_just_taking_over(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    story.cluster.open = False
    await story.until(RolloutState.FLIPPING)

    await story.promote(1)
    await story.look()

    assert (await story.rollout(2)).state is RolloutState.SUPERSEDED
    assert (await story.desired()).answering == 1


@pytest.mark.parametrize("word", [ResumeRollout, PromoteRollout])
async def test_rollout_paused_while_it_loads_has_its_time_once_it_goes_on(
    story: Story, word: type[ResumeRollout | PromoteRollout]
) -> None:
    story.asked = 40
    await story.promote(2)
    await story.say(PauseRollout(**by_ada()))
    await story.settle(2)
    story.now += 10 * MINUTE
    story.board.silence("flights", story.replica)
    await story.look()
    paused = await story.rollout(2)

    await story.say(word(**by_ada()))
    await story.look()
    resumed = await story.rollout(2)
    await story.until(RolloutState.COMPLETED)

    assert (paused.state, resumed.state) == (RolloutState.LOADING, RolloutState.LOADING)


async def test_other_promotion_waits_until_the_version_that_answers_has_baked(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.BAKING)

    await story.promote(3)
    await story.until(RolloutState.COMPLETED, 3)

    completed = [one for one in story.work.said if isinstance(one, RolloutCompleted)]
    assert [(one.version, one.previous_version) for one in completed] == [(2, 1), (3, 2)]


async def test_promotion_that_seems_older_waits_for_the_version_that_answers_all_the_same(story: Story) -> None:
    story.asked = 40
    await story.promote(2)
    await story.until(RolloutState.BAKING)
    now = story.now
    story.now -= timedelta(hours=1)
    await story.promote(3)
    story.now = now

    await story.settle(2, every_s=1)

    assert (await story.rollout(2)).state is RolloutState.BAKING
    assert (await story.rollout(3)).state is RolloutState.PENDING


def by_ada() -> dict[str, Any]:
    return {"pipeline": "flights", "requested_by": "ada", "reason": "LGA"}


def kinds(facts: list[Message]) -> list[type[Message]]:
    return [type(fact) for fact in facts]
