"""The latest value under each key, followed by many."""

import asyncio
from datetime import timedelta

import pytest

from services.chassis.buckets import Bucket, BucketDefinition
from services.chassis.bus import BusUnavailableError
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

KINDS = [BucketDefinition("desired"), BucketDefinition("alive", max_age=timedelta(seconds=60))]


@pytest.mark.parametrize("definition", KINDS, ids=lambda definition: definition.name)
async def test_latest_value_counts(sqlite_world: World, definition: BucketDefinition) -> None:
    bucket = Bucket(sqlite_world.bus, definition)
    assert await bucket.get("flights") is None

    await bucket.put("flights", b"1")
    await bucket.put("flights", b"2")
    await bucket.put("trains", b"1")
    await bucket.put("trains.fast", b"3")
    await bucket.delete("trains")

    assert await bucket.get("flights") == b"2"
    assert await bucket.get("trains") is None
    assert await bucket.items() == {"flights": b"2", "trains.fast": b"3"}
    assert await bucket.items("trains") == {"trains.fast": b"3"}


async def test_change_is_told_when_it_can_be_read(sqlite_world: World) -> None:
    bucket = Bucket(sqlite_world.bus, KINDS[0])
    async with bucket.changes() as hints:
        for number in range(20):
            await bucket.put("flights", str(number).encode())
            await asyncio.wait_for(hints.get(), 4)

            assert await bucket.get("flights") == str(number).encode()


async def test_listener_and_values_outlive_a_killed_broker(sqlite_world: World) -> None:
    world = sqlite_world
    bucket = Bucket(world.bus, KINDS[0])
    await bucket.put("flights", b"1")
    async with bucket.changes() as hints:
        world.broker.kill()
        world.broker.start()
        assert await eventually(lambda: patient_get(bucket, "flights")) == b"1"

        await bucket.put("flights", b"2")

        await asyncio.wait_for(hints.get(), 4)


async def patient_get(bucket: Bucket, key: str) -> bytes | None:
    """Read a value; None while the broker is away."""
    try:
        return await bucket.get(key)
    except BusUnavailableError:
        return None
