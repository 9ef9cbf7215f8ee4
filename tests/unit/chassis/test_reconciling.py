"""Reconcilers are called when there may be something to do, and never too often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from services.chassis.bus import Bus
from services.chassis.database import Database
from services.chassis.errors import TransientError
from services.chassis.reconciling import reconciling, side_by_side
from services.chassis.work import Reconciler, Work
from tests.fixtures.waiting import eventually

HOUR_S = 3600.0


def work() -> Work:
    """Make work that no step here does: neither database nor bus are touched."""
    return Work("test", cast(Database, None), {}, cast(Bus, None))


@asynccontextmanager
async def running(work: Work, *reconcilers: Reconciler) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for each in reconciling(reconcilers, work):
            tasks.create_task(each.run(stopping))
        yield
        stopping.set()


def wrote(work: Work) -> None:
    """Do what a transaction that wrote does."""
    for wake in work.on_written:
        wake()


async def test_write_of_another_wakes_it() -> None:
    calls: list[str] = []

    async def step(work: Work) -> None:
        calls.append("step")

    everyone = work()
    async with running(everyone, Reconciler(step, every_s=HOUR_S)):
        await eventually(lambda: len(calls) == 1)
        wrote(everyone)
        await eventually(lambda: len(calls) == 2)


async def test_what_only_the_clock_drives_is_woken_by_no_write() -> None:
    calls: list[str] = []

    async def woken(work: Work) -> None:
        calls.append("woken")

    async def clocked(work: Work) -> None:
        calls.append("clocked")

    everyone = work()
    reconcilers = (Reconciler(clocked, every_s=HOUR_S, woken=False), Reconciler(woken, every_s=HOUR_S))
    async with running(everyone, *reconcilers):
        for count in (1, 2, 3):
            await eventually(lambda count=count: calls.count("woken") == count)
            wrote(everyone)

    assert calls.count("clocked") == 1


async def test_own_write_brings_the_next_step_soon() -> None:
    calls: list[str] = []

    async def step(view: Work) -> None:
        calls.append("step")
        if len(calls) < 4:
            wrote(view)

    async with running(work(), Reconciler(step, every_s=HOUR_S)):
        await eventually(lambda: len(calls) == 4)


async def test_one_that_always_writes_slows_down() -> None:
    calls: list[float] = []
    now = asyncio.get_running_loop().time

    async def step(view: Work) -> None:
        calls.append(now())
        wrote(view)

    async with running(work(), Reconciler(step, every_s=0.32)):
        await eventually(lambda: len(calls) == 6)

    assert calls[5] - calls[4] > calls[2] - calls[1]
    assert calls[-1] - calls[0] > 0.5


async def test_errors_are_survived_and_not_hammered() -> None:
    calls: list[str] = []

    async def step(work: Work) -> None:
        calls.append("step")
        if len(calls) == 1:
            raise ZeroDivisionError
        if len(calls) == 2:
            raise TransientError("not_now")

    async with running(work(), Reconciler(step, every_s=HOUR_S)):
        await eventually(lambda: len(calls) == 3)


async def test_writes_of_one_wake_the_others() -> None:
    calls: list[str] = []

    async def writer(view: Work) -> None:
        calls.append("writer")
        wrote(view)

    async def reader(view: Work) -> None:
        calls.append("reader")

    async with running(work(), Reconciler(reader, every_s=HOUR_S), Reconciler(writer, every_s=HOUR_S)):
        await eventually(lambda: calls.count("reader") > 1)


async def test_steps_that_cannot_go_on_hold_up_no_other() -> None:
    done: list[int] = []

    async def step(number: int, error: Exception | None = None) -> None:
        if error:
            raise error
        done.append(number)

    not_now = TransientError("cluster_unreachable")
    with pytest.raises(TransientError, match="cluster unreachable"):
        await side_by_side([step(1, not_now), step(2), step(3, not_now)])
    with pytest.raises(ExceptionGroup) as group:
        await side_by_side([step(1, not_now), step(2, ZeroDivisionError()), step(3)])
    await side_by_side([])

    assert done == [2, 3]
    assert [type(error) for error in group.value.exceptions] == [TransientError, ZeroDivisionError]
