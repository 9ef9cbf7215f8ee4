"""The notice board: the same in memory and on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest

from contracts.message import utc_now
from services.chassis.bus import connect
from services.chassis.errors import TransientError
from services.serving.board import LONGEST_SILENCE, BusBoard
from services.serving.desired import DesiredState, HeldVersion, ReplicaReport
from services.serving.domain import HoldState
from services.serving.ports import Board
from tests.fakes.serving.board import InMemoryBoard
from tests.fixtures.nats import Broker
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.test_shelf import desired


@pytest.fixture(params=["memory", "nats"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    """An empty board."""
    if request.param == "memory":
        yield InMemoryBoard()
        return
    async with connect(request.getfixturevalue("nats_url"), name="test") as bus:
        yield BusBoard(bus)


async def test_what_is_desired_comes_back_and_is_replaced(board: Board) -> None:
    assert await board.desired("flights") is None
    assert await board.all_desired() == []

    await board.post_desired(desired(1))
    await board.post_desired(desired(1, 2, answering=1))
    await board.post_desired(DesiredState(pipeline="boats"))

    assert await board.desired("flights") == desired(1, 2, answering=1)
    assert [one.pipeline for one in await board.all_desired()] == ["boats", "flights"]


async def test_reports_are_kept_by_replica_until_withdrawn(board: Board) -> None:
    assert await board.reports("flights") == []
    first, second = report("a"), report("b", answering=3)

    await board.post_report(report("a", answering=1))
    await board.post_report(first)
    await board.post_report(second)
    await board.post_report(report("c", pipeline="flights_too"))

    assert await board.reports("flights") == [first, second]
    await board.withdraw(first)
    assert await board.reports("flights") == [second]


async def test_change_wakes_who_waits(board: Board) -> None:
    async with board.changes() as changes:
        waiting = asyncio.create_task(changes.wait(60))
        await board.post_report(report("a"))

        await asyncio.wait_for(waiting, 10)


async def test_silent_replica_is_taken_for_dead(nats_url: str) -> None:
    async with connect(nats_url, name="test") as bus:
        later = BusBoard(bus, clock=lambda: utc_now() + LONGEST_SILENCE + timedelta(seconds=1))
        await later.post_report(report("a"))

        assert await later.reports("flights") == []


async def test_board_outlives_the_broker(broker: Broker) -> None:
    async with connect(broker.url, name="test") as bus:
        board = BusBoard(bus)
        await board.post_desired(desired(1))
        await board.post_report(report("a"))

        broker.kill()
        broker.start()

        assert await eventually(lambda: answered(board)) == desired(1)
        await eventually(lambda: posted(board))
        assert [one.replica for one in await board.reports("flights")] == ["a"]


async def answered(board: Board) -> DesiredState | None:
    with suppress(TransientError):
        return await board.desired("flights")
    return None


async def posted(board: Board) -> bool:
    with suppress(TransientError):
        await board.post_report(report("a"))
        return True
    return False


def report(replica: str, *, pipeline: str = "flights", answering: int | None = None) -> ReplicaReport:
    held = HeldVersion(version=1, rollout_id=UUID(int=1), state=HoldState.LOADED)
    return ReplicaReport(pipeline=pipeline, replica=replica, at=utc_now(), held=(held,), answering=answering)
