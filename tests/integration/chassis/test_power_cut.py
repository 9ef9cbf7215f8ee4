"""A power cut loses nothing that was acknowledged: neither on the bus nor in the database.

The broker and a SQLite file live on an ext4 file system of their own, which is shut down under them as a power cut
would: nothing that was not synced reaches the disk. That needs root and a loop device.
"""

import asyncio
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import select

from contracts.message import utc_now
from services.chassis.bus import connect
from services.chassis.database import Database
from services.chassis.errors import EverloopError
from services.chassis.inbox import InboxRow, remember
from services.chassis.schema import migrate
from services.chassis.streams import reconcile_streams
from tests.fixtures.nats import Broker
from tests.fixtures.waiting import eventually

SIZE_BYTES = 256 * 1024 * 1024
FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSH = 2
ENOUGH = 200


@dataclass
class PowerCut:
    """A file system that can lose its power."""

    image: Path
    mount: Path

    def make(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        call("mkfs.ext4", "-q", "-F", self.image)
        self.mount.mkdir()
        self.on()

    def on(self) -> None:
        call("mount", "-o", "loop", self.image, self.mount)

    def cut(self) -> None:
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(descriptor)

    def off(self) -> None:
        call("umount", self.mount)


def call(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerCut]:
    if os.geteuid() != 0:
        pytest.skip("not run: cutting the power of a file system needs root")
    disk = PowerCut(tmp_path / "image", tmp_path / "disk")
    try:
        disk.make()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or error
        pytest.skip(f"not run: no ext4 loop device can be mounted here ({str(reason).strip()})")
    yield disk
    subprocess.run(["umount", "--lazy", disk.mount], capture_output=True)


async def test_what_was_acknowledged_survives(disk: PowerCut) -> None:
    broker = Broker(disk.mount / "nats")
    broker.start()
    database = Database(f"sqlite:///{disk.mount / 'test.sqlite'}", schema="test")
    await migrate(database)
    published: list[int] = []
    committed: list[str] = []

    async def publish() -> None:
        async with connect(broker.url, name="test") as bus:
            await reconcile_streams(bus)
            while True:
                number = len(published)
                headers = {"Nats-Msg-Id": str(number)}
                receipt = await bus.publish("events.training.run.started.v1.x", str(number).encode(), headers=headers)
                published.append(receipt.sequence)

    async def commit() -> None:
        while True:
            message_id = str(len(committed))
            async with database.session() as session:
                await remember(session, "consumer", message_id, utc_now())
                await session.commit()
            committed.append(message_id)

    publishing, committing = asyncio.create_task(publish()), asyncio.create_task(commit())
    await eventually(lambda: min(len(published), len(committed)) >= ENOUGH, within_s=60)
    disk.cut()
    broker.kill()
    with pytest.raises((EverloopError, OSError)):
        await committing
    publishing.cancel()
    await asyncio.wait({publishing})
    await database.close()

    disk.off()
    disk.on()

    broker.start()
    database = Database(f"sqlite:///{disk.mount / 'test.sqlite'}", schema="test")
    async with connect(broker.url, name="test") as bus, database.session(write=False) as session:
        for number, sequence in enumerate(published):
            assert (await bus.read("EVENTS", seq=sequence)).body == str(number).encode()
        kept = {row.message_id for row in await session.exec(select(InboxRow))}
    assert kept >= set(committed)
    await database.close()
    broker.kill()
    disk.off()
