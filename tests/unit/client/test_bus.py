"""The client's end of the bus, on a real broker."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import nats
import pytest

from contracts.envelope import Envelope
from contracts.ingestion import DatasetIngested
from contracts.registry import RollBackModel
from contracts.streams import COMMANDS, EVENTS
from contracts.training import CancelTrainingRun, PipelineRegistered
from everloop.client import Bus, BusyError, PlatformUnreachableError, RefusedError
from everloop.client.bus import connect_bus
from tests.contracts import examples
from tests.fixtures.nats import Broker

REGISTERED = next(one for one in examples.every_message() if isinstance(one, PipelineRegistered))
INGESTED = next(one for one in examples.every_message() if isinstance(one, DatasetIngested))
COMMAND = RollBackModel(pipeline="flight_delays", requested_by="ana", reason="complaints")


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    client = await nats.connect(nats_url)
    await client.jetstream().add_stream(name=EVENTS.name, subjects=["events.>"])
    await client.jetstream().add_stream(name=COMMANDS.name, subjects=["commands.>"], max_msgs=2, discard="new")
    await client.close()
    async with connect_bus(nats_url) as bus:
        yield bus


async def test_what_is_said_is_heard_in_its_envelope(bus: Bus) -> None:
    receipt = await bus.say(REGISTERED, source="test")

    async with aclosing(bus.follow(since=receipt.mark)) as events:
        heard = await anext(events)

    assert heard.message == REGISTERED
    assert (heard.envelope.id, heard.envelope.source) == (receipt.message_id, "/everloop/test")
    assert heard.sequence == receipt.mark + 1


async def test_the_same_id_is_stored_once(bus: Bus) -> None:
    first = await bus.publish(COMMAND.address(), b"{}", message_id="one")
    second = await bus.publish(COMMAND.address(), b"{}", message_id="one")

    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.sequence == second.sequence


async def test_the_past_is_read_to_its_end(bus: Bus) -> None:
    for message in (REGISTERED, INGESTED, REGISTERED):
        await bus.say(message)

    everything = [heard.message async for heard in bus.past()]
    ingested = [heard.message async for heard in bus.past(f"{DatasetIngested.subject}.*")]
    nothing = [heard async for heard in bus.past("events.serving.>")]

    assert everything == [REGISTERED, INGESTED, REGISTERED]
    assert ingested == [INGESTED]
    assert nothing == []


async def test_plain_json_and_unreadable_bytes_are_heard_too(bus: Bus) -> None:
    await bus.publish(f"{CancelTrainingRun.subject}.x".replace("commands", "events"), b'{"reason": "plain"}')
    await bus.publish("events.training.run.started.v1.x", b"\xff no json")

    plain, unreadable = [heard async for heard in bus.past()]

    assert isinstance(plain.envelope, Envelope)
    assert plain.envelope.data == {"reason": "plain"}
    assert plain.message is None
    assert "unreadable" in unreadable.envelope.data


async def test_a_full_queue_is_said_to_be_full(bus: Bus) -> None:
    await bus.say(COMMAND)
    await bus.say(COMMAND)

    with pytest.raises(BusyError):
        await bus.say(COMMAND)


async def test_what_nobody_keeps_and_what_is_too_large_is_refused(bus: Bus) -> None:
    with pytest.raises(RefusedError, match="nobody listens"):
        await bus.publish("comands.training.run.start.v1.x", b"{}")
    with pytest.raises(RefusedError, match="more than the broker takes"):
        await bus.publish(COMMAND.address(), b"x" * 2 * 1024 * 1024)


async def test_a_broker_that_is_gone_is_said_to_be_unreachable(broker: Broker) -> None:
    broker.kill()

    with pytest.raises(PlatformUnreachableError, match="does not answer"):
        async with connect_bus("nats://127.0.0.1:9"):
            pass
