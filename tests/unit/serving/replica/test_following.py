"""A replica does what the board says, what answers first, and reports what came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.serving.desired import DesiredState, ReplicaLoad, ReplicaReport, Split
from services.serving.domain import HoldState
from services.serving.replica.following import Follower
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf
from tests.fakes.serving.board import InMemoryBoard
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.test_prediction_log import Bus
from tests.unit.serving.replica.test_shelf import Loader, desired


class Replica:
    """What follows the board, without what answers."""

    def __init__(self) -> None:
        self.loader = Loader()
        self.shelf = Shelf(self.loader, retry_s=0.05)
        self.board = InMemoryBoard()
        log = PredictionLog(Bus(), pipeline="flights", replica="one", capacity_rows=10, flush_s=1)
        self.follower = Follower("flights", "one", self.shelf, log)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self.follower.follow(self.board, self.board)),
            asyncio.create_task(self.follower.tell(self.board)),
        ]
        yield
        for task in tasks:
            task.cancel()

    async def reported(self) -> ReplicaReport | None:
        return next(iter(await self.board.reports("flights")), None)


@pytest.fixture
def replica() -> Replica:
    return Replica()


async def test_replica_is_ready_with_what_answers_and_then_loads_what_is_kept(replica: Replica) -> None:
    await replica.board.post_desired(desired(4, 5, answering=5, keep=(3, 2)))

    async with replica.running():
        await replica.follower.ready.wait()
        await eventually(lambda: replica.shelf.versions == (2, 3, 4, 5))

    assert replica.loader.asked == [5, 4, 3, 2]


async def test_replica_that_can_not_load_what_should_answer_is_not_ready_and_says_why(replica: Replica) -> None:
    replica.loader.broken.add(5)
    await replica.board.post_desired(desired(5, answering=5))

    async with replica.running():

        async def failure() -> ReplicaReport | None:
            report = await replica.reported()
            return report if report and report.held and report.held[0].state is HoldState.FAILED else None

        report: ReplicaReport | None = await eventually(failure)
        assert report is not None
        assert (report.held[0].detail, report.answering) == ("OSError: the store is away", None)
        assert not replica.follower.ready.is_set()
        replica.loader.broken.clear()
        await replica.board.post_desired(desired(5, answering=5))
        await replica.follower.ready.wait()


async def test_report_holds_what_was_counted(replica: Replica) -> None:
    split = Split(rollout_id=UUID(int=7), step=2, candidate=2, share=0.5)
    replica.follower.count_load = lambda: ReplicaLoad(requests=3, calls=1)
    await replica.shelf.follow(desired(1, 2, answering=1, split=split))
    assert replica.shelf.lineup is not None
    candidate = replica.shelf.lineup.choose(None, 0.0)
    assert candidate.tally is not None
    candidate.tally.failed()

    report = ReplicaReport.model_validate_json(replica.follower.report().model_dump_json())

    assert (report.load.requests, report.load.calls) == (3, 1)
    counted = {one.version: (one.step, one.requests, one.errors) for one in report.traffic}
    assert counted == {1: (2, 0, 0), 2: (2, 1, 1)}


async def test_a_board_that_cannot_be_understood_changes_nothing(replica: Replica) -> None:
    await replica.board.post_desired(desired(1, answering=1))
    broken = [ValidationError.from_exception_data("DesiredState", [])]
    understood = replica.board.desired

    async def read(pipeline: str) -> DesiredState | None:
        if replica.shelf.answering and broken:
            raise broken.pop()
        return await understood(pipeline)

    replica.board.desired = read  # type: ignore[method-assign]
    async with replica.running():
        await eventually(lambda: replica.shelf.answering)
        await replica.board.post_desired(desired(2, answering=2))
        await eventually(lambda: not broken)
        await replica.board.post_desired(desired(2, answering=2))
        await eventually(lambda: replica.shelf.answering and replica.shelf.answering.version == 2)
