"""Candidates beside the champion: canaries and shadows, counted where a rollout wants to know."""

import asyncio

import numpy as np
import pytest

from everloop.bundle.rows import InputError
from services.serving.replica.errors import RequestError
from services.serving.replica.shadows import MOST_COPIES
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.told import CANDIDATE, CHAMPION, ROW, Replica, hanging, keys_of, raises, replica

__all__ = ["replica"]


async def test_requests_of_a_canary_are_counted_where_they_were_answered(replica: Replica) -> None:
    await replica.splits(0.5)

    answers = [await replica.ask(1.0, 600.0, key=str(number)) for number in range(20)]
    await replica.ask(1.0, version="2")

    for version in (CHAMPION, CANDIDATE):
        answered = [one for one in answers if one.version == version]
        counted = replica.counted(version)
        assert (counted.requests, counted.errors) == (len(answered), 0)
        assert counted.seconds > 0
    # Of version 1 one row scores below 1500 and one above; both of version 2 score above.
    half = replica.counted(CHAMPION).requests / 2
    assert replica.counted(CHAMPION).scores == (half, half)
    assert replica.counted(CANDIDATE).scores == (0, replica.counted(CANDIDATE).requests)


async def test_failures_count_and_callers_faults_do_not(replica: Replica) -> None:
    await replica.splits(1.0)
    replica.does[CANDIDATE] = raises(RuntimeError("secret"))
    with pytest.raises(RequestError) as failed:
        await replica.ask(1.0)
    replica.does[CANDIDATE] = lambda columns: np.array([np.nan])
    with pytest.raises(RequestError) as no_number:
        await replica.ask(1.0)
    replica.does[CANDIDATE] = raises(InputError("distance: expected number"))
    with pytest.raises(RequestError) as refused:
        await replica.ask(1.0)

    assert [error.value.status for error in (failed, no_number, refused)] == [500, 500, 400]
    assert "secret" not in str(failed.value)
    counted = replica.counted(CANDIDATE)
    assert (counted.requests, counted.errors) == (2, 2)
    assert replica.log.counts.waiting == 0


async def test_a_shadow_is_asked_the_same_and_never_heard(replica: Replica) -> None:
    await replica.splits(1.0, shadow=True)

    answers = [await replica.ask(1.0) for _ in range(3)]
    await eventually(lambda: replica.counted(CANDIDATE).requests == 3)
    await replica.log.drain(1)

    assert {one.version for one in answers} == {CHAMPION}
    assert {batch.version for message in replica.bus.taken for batch in message.batches} == {CHAMPION}
    assert replica.counted(CHAMPION).scores == (3, 0)
    assert replica.counted(CANDIDATE).scores == (0, 3)


async def test_a_shadow_that_fails_or_hangs_delays_and_harms_nobody(replica: Replica) -> None:
    await replica.splits(1.0, shadow=True)
    replica.does[CANDIDATE] = raises(InputError("distance: expected integer"))
    await replica.ask(1.0)
    await eventually(lambda: replica.counted(CANDIDATE).errors == 1)

    with hanging() as call:
        replica.does[CANDIDATE] = call
        for _ in range(MOST_COPIES + 5):
            assert (await replica.ask(1.0)).version == CHAMPION
        load = replica.answering.load()

    assert (load.copies, load.copies_dropped) == (MOST_COPIES + 1, 5)
    await eventually(lambda: replica.counted(CANDIDATE).requests == MOST_COPIES + 1)
    # Those that were not copied are not counted of the champion either.
    assert replica.counted(CHAMPION).requests == MOST_COPIES + 1
    assert replica.answering.hung_s() == 0


async def test_a_candidate_that_is_slow_does_not_slow_the_other(replica: Replica) -> None:
    await replica.splits(0.5)
    with hanging() as call:
        replica.does[CANDIDATE] = call
        chosen = await keys_of(replica)
        waits = asyncio.create_task(replica.ask(1.0, key=chosen[CANDIDATE]))

        for _ in range(10):
            assert (await replica.ask(1.0, key=chosen[CHAMPION])).version == CHAMPION
        assert not waits.done()

    assert (await waits).version == CANDIDATE


async def test_a_candidate_that_refuses_what_the_other_takes_has_failed(replica: Replica) -> None:
    replica.refuses.add(CANDIDATE)
    await replica.splits(1.0)
    row, unknown = ROW, ROW | {"unknown": 1}

    for asked in (row, unknown):
        with pytest.raises(RequestError) as refused:
            replica.answering.read(replica.answering.choose(), lambda reader: reader.of_rows([asked], 1))  # noqa: B023
        assert refused.value.status == 400

    counted = replica.counted(CANDIDATE)
    assert (counted.requests, counted.errors) == (1, 1)
