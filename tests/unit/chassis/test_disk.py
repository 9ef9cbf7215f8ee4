"""Commits are written through together, and nobody goes on before theirs is."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from services.chassis.disk import Disk
from tests.fixtures.waiting import eventually


class Slow:
    """Stands in for the system's call: each write takes until it is let through."""

    def __init__(self) -> None:
        self.begun = 0
        self.through = threading.Semaphore(0)

    def __call__(self, descriptor: int) -> None:
        self.begun += 1
        self.through.acquire()


def commit(disk: Disk) -> None:
    """Commit in no time."""
    disk.begin()
    disk.end()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """What is written through, one by one."""
    slow = Slow()
    monkeypatch.setattr(os, "fdatasync", slow)
    return slow


async def test_who_commits_during_a_write_waits_for_the_next_one(tmp_path: Path, writes: Slow) -> None:
    (tmp_path / "log").touch()
    disk = Disk(tmp_path / "log")
    commit(disk)
    first = asyncio.create_task(disk.settle())
    await eventually(lambda: writes.begun == 1)
    later = []
    for _ in range(5):
        commit(disk)
        later.append(asyncio.create_task(disk.settle()))

    writes.through.release()
    await first
    await eventually(lambda: writes.begun == 2)
    assert not any(task.done() for task in later)

    writes.through.release()
    await asyncio.gather(*later)
    assert writes.begun == 2


async def test_what_is_seen_before_its_commit_returns_is_written_through(tmp_path: Path, writes: Slow) -> None:
    (tmp_path / "log").touch()
    disk = Disk(tmp_path / "log")
    disk.begin()
    early = asyncio.create_task(disk.settle())
    await eventually(lambda: writes.begun == 1)

    late = asyncio.create_task(disk.settle())
    writes.through.release()
    await early
    await eventually(lambda: writes.begun == 2)
    assert not late.done()

    writes.through.release()
    await late


async def test_nothing_new_is_not_waited_for(tmp_path: Path, writes: Slow) -> None:
    disk = Disk(tmp_path / "log")

    await disk.settle()

    assert writes.begun == 0


async def test_whoever_stops_waiting_stops_nobody_else(tmp_path: Path, writes: Slow) -> None:
    (tmp_path / "log").touch()
    disk = Disk(tmp_path / "log")
    commit(disk)
    impatient, patient = asyncio.create_task(disk.settle()), asyncio.create_task(disk.settle())
    await eventually(lambda: writes.begun == 1)

    impatient.cancel()
    writes.through.release()

    await patient
    assert impatient.cancelled()


async def test_a_disk_that_refuses_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError("no space")

    (tmp_path / "log").touch()
    disk = Disk(tmp_path / "log")
    commit(disk)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        with pytest.raises(OSError, match="no space"):
            await disk.settle()

    await disk.settle()
