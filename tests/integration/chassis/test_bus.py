"""The sharp edges of the client, each blunted."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.chassis.bus import BusUnavailableError, NotOnBusError, connect
from services.chassis.bus_errors import OldServerError
from services.chassis.pulls import pulling
from services.chassis.streams import ConsumerDefinition, reconcile_consumer
from tests.fixtures.nats import Broker
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

SUBJECT = "events.training.run.started.v1.flights"


@asynccontextmanager
async def server_of_version(version: str) -> AsyncIterator[str]:
    """Stand in for a broker of any age, as far as the first words."""
    info = json.dumps({"server_id": "S", "version": version, "max_payload": 1024, "headers": True})

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"INFO {info}\r\n".encode())
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_old_server_is_refused() -> None:
    async with server_of_version("2.9.10") as url:
        with pytest.raises(OldServerError, match=r"2\.9\.10"):
            async with connect(url, name="test"):
                pass


async def test_absent_server_is_told_when_patience_ends() -> None:
    with pytest.raises(BusUnavailableError):
        async with connect("nats://127.0.0.1:1", name="test", patience_s=0.3):
            pass


async def test_tls_never_falls_back_to_plaintext(broker: Broker) -> None:
    with pytest.raises(BusUnavailableError):
        async with connect(broker.url.replace("nats://", "tls://"), name="test", patience_s=1):
            pass


async def test_publishing_again_under_the_same_id_stores_one(sqlite_world: World) -> None:
    first = await sqlite_world.publish_bytes(SUBJECT, b"{}", **{"Nats-Msg-Id": "one"})
    again = await sqlite_world.publish_bytes(SUBJECT, b"{}", **{"Nats-Msg-Id": "one"})

    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.sequence == again.sequence


async def test_message_needs_an_id(sqlite_world: World) -> None:
    with pytest.raises(ValueError, match="Nats-Msg-Id"):
        await sqlite_world.bus.publish(SUBJECT, b"{}", headers={})


async def test_subject_that_no_stream_keeps_is_told(sqlite_world: World) -> None:
    with pytest.raises(NotOnBusError):
        await sqlite_world.publish_bytes("nowhere.at.all", b"{}")


async def test_absent_broker_is_told_at_once_and_nothing_is_sent_later(sqlite_world: World) -> None:
    world = sqlite_world
    world.broker.kill()
    await eventually(lambda: not world.bus.connected)
    with pytest.raises(BusUnavailableError, match="not connected"):
        await world.publish_bytes(SUBJECT, b"{}")

    world.broker.start()
    await eventually(lambda: world.bus.connected)

    assert (await world.bus.ask("STREAM.INFO.EVENTS"))["state"]["messages"] == 0


async def test_headers_survive_in_any_language(sqlite_world: World) -> None:
    receipt = await sqlite_world.publish_bytes(SUBJECT, b"{}", Reason="größer\r\n100 % ✈")

    stored = await sqlite_world.bus.read("EVENTS", seq=receipt.sequence)

    assert stored.headers["Reason"] == "größer\r\n100 % ✈"


async def test_waiting_pull_outlives_a_killed_broker(sqlite_world: World) -> None:
    world = sqlite_world
    definition = ConsumerDefinition("EVENTS", "x__y", ("events.>",), timedelta(seconds=5), 20)
    await reconcile_consumer(world.bus, definition)
    async with pulling(world.bus, "EVENTS", "x__y") as pull:
        waiting = asyncio.create_task(pull.next())
        await eventually(lambda: pulls_waiting(world))
        world.broker.kill()
        world.broker.start()
        # The request that was waiting is lost with the connection; the client's own fetch would sit it out.
        assert await asyncio.wait_for(waiting, 4) is None

        await world.publish_bytes(SUBJECT, b"{}")
        delivery = await pull.next()

    assert delivery is not None
    assert delivery.subject == SUBJECT


async def pulls_waiting(world: World) -> bool:
    return (await world.bus.ask("CONSUMER.INFO.EVENTS.x__y"))["num_waiting"] == 1
