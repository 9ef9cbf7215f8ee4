"""The client's end of the bus, on a real broker."""

from collections.abc import AsyncIterator

import nats
import pytest

from contracts.streams import EVENTS
from everloop.client import Bus
from everloop.client.bus import connect_bus


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    client = await nats.connect(nats_url)
    await client.jetstream().add_stream(name=EVENTS.name, subjects=["events.>"])
    await client.jetstream().add_stream(name="COMMANDS", subjects=["commands.>"])
    await client.close()
    async with connect_bus(nats_url) as bus:
        yield bus
