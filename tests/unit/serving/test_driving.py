"""The driver takes rollouts through, whatever is away meanwhile."""

from datetime import timedelta

import pytest

from contracts.rollout import Rollout as Plan
from contracts.serving import RolloutCompleted, RolloutRolledBack, RolloutStarted
from services.chassis.errors import TransientError
from services.serving.advancing import LONGEST_FLIP
from services.serving.desired import ReplicaReport
from services.serving.domain import RolloutState
from tests.fakes.serving.board import InMemoryBoard
from tests.fakes.serving.examples import NOW, cause, deployment, rollout
from tests.fakes.serving.story import Story


@pytest.fixture
def story() -> Story:
    return Story()


async def test_promotion_ends_in_traffic(story: Story) -> None:
    await story.promote(1)

    await story.settle()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]
    assert story.work.causes == [cause("promotion-1-0", later_s=1)] * 2
    desired = await story.board.desired("flights")
    assert desired is not None
    assert desired.answering == 1


async def test_next_version_follows_and_names_the_one_before(story: Story) -> None:
    await story.promote(1)
    await story.settle()
    await story.promote(2)
    await story.settle()

    (completed,) = [one for one in story.work.said if isinstance(one, RolloutCompleted) and one.version == 2]
    assert completed.previous_version == 1


async def test_version_that_fails_leaves_the_former_answering(story: Story) -> None:
    await story.promote(1)
    await story.settle()
    story.fails = True
    await story.promote(2)
    await story.settle()

    (fact,) = [one for one in story.work.said if isinstance(one, RolloutRolledBack)]
    desired = await story.board.desired("flights")
    assert desired is not None
    assert (fact.version, fact.serving_version, desired.answering) == (2, 1, 1)
    assert [one.version for one in desired.versions] == [1]


async def test_newer_promotion_takes_the_place_of_one_that_waits(story: Story) -> None:
    await story.promote(1)
    await story.promote(2)

    await story.settle()

    assert story.facts == [(RolloutRolledBack, 1), (RolloutStarted, 2), (RolloutCompleted, 2)]


async def test_front_that_never_reaches_a_version_keeps_no_later_one_waiting(story: Story) -> None:
    await story.promote(1)
    await story.settle()
    story.cluster.open = False
    await story.promote(2)
    await story.settle(10)
    await story.promote(3)
    await story.settle(10)
    waiting = story.facts[2:]

    story.now += LONGEST_FLIP
    await story.settle(1, every_s=1)
    await story.settle(1)
    story.cluster.open = True
    await story.settle()

    assert waiting == [(RolloutStarted, 2)]
    assert story.facts[3:] == [(RolloutRolledBack, 2), (RolloutStarted, 3), (RolloutCompleted, 3)]
    (fact,) = [one for one in story.work.said if isinstance(one, RolloutRolledBack)]
    assert (fact.serving_version, fact.superseded) == (1, False)
    assert fact.reason == "not all traffic within 300 s: the front does not reach it"


@pytest.mark.parametrize("looks", range(5))
async def test_service_that_dies_after_any_look_says_everything_once(story: Story, looks: int) -> None:
    await story.promote(1)
    for _ in range(looks):
        await story.obey()
        await story.look()

    story.driver = story.new_driver()
    await story.settle()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]


async def test_lost_board_is_written_again(story: Story) -> None:
    await story.promote(1)
    await story.settle()
    story.board = InMemoryBoard()
    story.driver = story.new_driver()

    await story.look()

    desired = await story.board.desired("flights")
    assert desired is not None
    assert desired.answering == 1


async def test_rollout_goes_on_while_the_clusters_api_is_away(story: Story) -> None:
    await story.promote(1)
    await story.obey()
    story.cluster.away = True

    for _ in range(4):
        with pytest.raises(TransientError, match="cluster unavailable"):
            await story.look()
        await story.obey()
    assert story.facts == [(RolloutStarted, 1)]
    story.cluster.away = False
    await story.look()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]


async def test_model_whose_champion_cannot_be_read_holds_up_no_other() -> None:
    story = Story(Plan(bake=timedelta(minutes=1)))
    await story.promote(1)
    await story.settle()
    story.cells.away = True
    await story.deployments.save(deployment(pipeline="trains"))
    other = rollout(7, pipeline="trains")
    await story.rollouts.save(other)
    await story.board.post_report(ReplicaReport(pipeline="trains", replica="two", at=story.now))
    await story.promote(2)

    with pytest.raises(TransientError, match="bundle unreadable"):
        await story.look()

    begun = await story.rollouts.get(other.id)
    assert begun is not None
    assert begun.state is RolloutState.LOADING


async def test_champion_whose_bundle_is_gone_can_be_replaced() -> None:
    story = Story(Plan(bake=timedelta(minutes=1)))
    await story.promote(1)
    await story.settle()
    story.cells.away = True
    await story.promote(2)

    with pytest.raises(TransientError, match="bundle unreadable"):
        await story.look()
    waiting = await story.rollout(2)
    story.now += timedelta(seconds=61)
    await story.settle(1)

    later = await story.rollout(2)
    assert waiting.state is RolloutState.LOADING
    assert (later.state, later.evidence.score_edges) == (RolloutState.FLIPPING, ())


async def test_slow_version_is_given_up_in_time(story: Story) -> None:
    await story.promote(1)
    await story.obey()
    await story.look()
    story.now = NOW + timedelta(seconds=100)
    await story.look()

    (rollout,) = await story.rollouts.recent()
    assert rollout.state is RolloutState.ROLLED_BACK
    assert "not loaded within 60 s by one" in rollout.detail
