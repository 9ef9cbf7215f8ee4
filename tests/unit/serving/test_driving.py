"""The driver takes rollouts through, whatever is away meanwhile."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.message import Message
from contracts.serving import RolloutCompleted, RolloutRolledBack, RolloutStarted
from services.chassis.errors import TransientError
from services.serving.desired import HeldVersion, ReplicaReport
from services.serving.domain import HoldState, RolloutState
from services.serving.driving import Driver
from services.serving.handlers import on_version_promoted
from services.serving.ports import Deployments, Rollouts
from tests.fakes.serving.board import InMemoryBoard
from tests.fakes.serving.cluster import InMemoryCluster
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import NOW, cause, deployment, promoted
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fakes.serving.score_cells import InMemoryScoreCells
from tests.fakes.work import InMemoryWork


class Story:
    """A driver, a board with one obedient replica, and what was said."""

    def __init__(self) -> None:
        self.deployments = InMemoryDeployments()
        self.rollouts = InMemoryRollouts()
        self.board = InMemoryBoard()
        self.cluster = InMemoryCluster()
        self.cells = InMemoryScoreCells()
        self.work = InMemoryWork({Deployments: self.deployments, Rollouts: self.rollouts})
        self.now = NOW
        self.fails = False
        self.driver = self.new_driver()

    def new_driver(self) -> Driver:
        """Start the service again: nothing but the record and the board survives."""
        return Driver(self.cluster, lambda _: self.board, self.cells, clock=lambda: self.now)

    async def promote(self, version: int) -> None:
        await self.deployments.save(await self.deployments.get("flights") or deployment())
        said = cause(f"promotion-{version}", later_s=version)
        self.work.said += await on_version_promoted(promoted(version), self.deployments, self.rollouts, said)

    async def look(self) -> None:
        """One look of the driver."""
        await self.driver.look(self.work)  # type: ignore[arg-type]

    async def obey(self) -> None:
        """The replica does what the board says, and reports."""
        desired = await self.board.desired("flights")
        held = tuple(
            HeldVersion(
                version=one.version,
                rollout_id=one.rollout_id,
                state=HoldState.FAILED if self.fails and one.version != desired.answering else HoldState.LOADED,
            )
            for one in (desired.versions if desired else ())
        )
        answering = desired.answering if desired else None
        await self.board.post_report(
            ReplicaReport(pipeline="flights", replica="one", at=self.now, held=held, answering=answering)
        )

    async def settle(self) -> None:
        for _ in range(6):
            await self.obey()
            await self.look()

    @property
    def facts(self) -> list[tuple[type[Message], int]]:
        told: list[Any] = self.work.said
        return [(type(one), one.version) for one in told]


@pytest.fixture
def story() -> Story:
    return Story()


async def test_promotion_ends_in_traffic(story: Story) -> None:
    await story.promote(1)

    await story.settle()

    assert story.facts == [(RolloutStarted, 1), (RolloutCompleted, 1)]
    assert story.work.causes == [cause("promotion-1", later_s=1)] * 2
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


async def test_slow_version_is_given_up_in_time(story: Story) -> None:
    await story.promote(1)
    await story.obey()
    await story.look()
    story.now = NOW + timedelta(seconds=100)
    await story.look()

    (rollout,) = await story.rollouts.recent()
    assert rollout.state is RolloutState.ROLLED_BACK
    assert "not loaded within 60 s by one" in rollout.detail
