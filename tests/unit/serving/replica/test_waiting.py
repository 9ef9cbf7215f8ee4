"""Requests that wait for a model: how many may, and what is told of a model that does not return."""

import asyncio

import pytest

from services.serving.replica.errors import RequestError
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.told import CANDIDATE, CHAMPION, Replica, hanging, keys_of, replica

__all__ = ["replica"]


async def test_more_rows_than_may_wait_are_refused_and_the_replica_recovers(replica: Replica) -> None:
    await replica.splits(0.0)
    with hanging() as call:
        replica.does[CHAMPION] = call
        waiting = [asyncio.create_task(replica.ask(*[1.0] * 10)) for _ in range(5)]
        await eventually(lambda: replica.answering.load().rows_now == 50)

        with pytest.raises(RequestError) as refused:
            await replica.ask(1.0)
        load = replica.answering.load()

    assert (refused.value.status, refused.value.retry_after_s) == (429, 1)
    assert (load.refused, load.requests_now, load.rows_now) == (1, 5, 50)
    await asyncio.gather(*waiting)
    assert (await replica.ask(1.0)).version == CHAMPION
    assert replica.answering.load().rows_now == 0


async def test_a_request_of_any_size_is_taken_when_nothing_else_waits(replica: Replica) -> None:
    await replica.splits(0.0)

    assert len((await replica.ask(*[1.0] * 1000)).scores) == 1000


async def test_a_large_request_keeps_no_small_one_waiting() -> None:
    replica = Replica(rows=4)
    await replica.splits(0.0)
    with hanging(from_rows=5) as call:
        replica.does[CHAMPION] = call
        large = asyncio.create_task(replica.ask(*[1.0] * 5))
        await eventually(lambda: replica.answering.load().requests_now)

        assert (await replica.ask(1.0)).scores == [0.0]

    assert len((await large).scores) == 5


async def test_calls_are_fewer_than_requests(replica: Replica) -> None:
    await replica.splits(0.0)

    await asyncio.gather(*(replica.ask(1.0) for _ in range(16)))

    load = replica.answering.load()
    assert (load.requests, load.calls) == (16, 1)


async def test_a_model_that_does_not_return_is_told_of_if_it_is_the_one_that_answers() -> None:
    replica = Replica(request_timeout_s=0.05)
    await replica.splits(0.5)
    chosen = await keys_of(replica)
    with hanging() as call:
        replica.does.update({CHAMPION: call, CANDIDATE: call})
        with pytest.raises(RequestError):
            await replica.ask(1.0, key=chosen[CANDIDATE])
        healthy = replica.answering.hung_s()
        with pytest.raises(RequestError) as late:
            await replica.ask(1.0, key=chosen[CHAMPION])

        assert healthy == 0
        assert late.value.status == 504
        assert replica.answering.hung_s() > 0
        counted = replica.counted(CHAMPION)
        assert (counted.requests, counted.errors) == (1, 1)
