"""Streams and consumers are made what the contracts say, and every difference is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.streams import COMMANDS, PREDICTIONS, STREAMS
from services.chassis import streams
from services.chassis.bus import BusRefusalError, StreamFullError
from services.chassis.errors import MalformedError
from services.chassis.streams import (
    ConsumerDefinition,
    reconcile_consumer,
    reconcile_stream,
    reconcile_streams,
    stream_config,
    unheard_consumers,
)
from tests.fixtures.services import World

HEARD = ConsumerDefinition(
    "EVENTS", "registry__old", ("events.training.run.*.*.*",), ack_wait=timedelta(seconds=5), max_deliveries=20
)


class Said:
    """Collects what a module logs."""

    def __init__(self) -> None:
        self.sentences: list[tuple[str, dict[str, Any]]] = []

    def info(self, sentence: str, **fields: Any) -> None:
        self.sentences.append((sentence, fields))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    said = Said()
    monkeypatch.setattr(streams, "log", said)
    return said


async def test_reconciling_again_changes_nothing(sqlite_world: World, said: Said) -> None:
    await reconcile_streams(sqlite_world.bus)

    assert said.sentences == []
    assert len((await sqlite_world.bus.ask("STREAM.NAMES"))["streams"]) == len(STREAMS)


async def test_drifted_stream_is_put_right_and_the_difference_told(sqlite_world: World, said: Said) -> None:
    bus = sqlite_world.bus
    drifted = {**stream_config(COMMANDS), "max_age": 3600 * 10**9, "discard": "old"}
    del drifted["persist_mode"]
    await bus.ask("STREAM.UPDATE.COMMANDS", **drifted)

    await reconcile_streams(bus)

    wanted = stream_config(COMMANDS)
    [(sentence, fields)] = said.sentences
    assert sentence == "stream changed"
    assert fields["changes"] == {"max_age": (3600 * 10**9, wanted["max_age"]), "discard": ("old", "new")}
    assert (await bus.ask("STREAM.INFO.COMMANDS"))["config"]["discard"] == "new"


async def test_drifted_consumer_is_put_right_and_the_difference_told(sqlite_world: World, said: Said) -> None:
    bus = sqlite_world.bus
    await reconcile_consumer(bus, HEARD)

    await reconcile_consumer(bus, replace(HEARD, max_deliveries=7))

    assert said.sentences[-1][1]["changes"] == {"max_deliver": (20, 7)}
    assert (await bus.ask("CONSUMER.INFO.EVENTS.registry__old"))["config"]["max_deliver"] == 7


async def test_consumer_that_nobody_pulls_from_is_found(sqlite_world: World) -> None:
    await reconcile_consumer(sqlite_world.bus, HEARD)

    assert await unheard_consumers(sqlite_world.bus, "registry", set()) == ["registry__old"]
    assert await unheard_consumers(sqlite_world.bus, "registry", {"registry__old"}) == []
    assert await unheard_consumers(sqlite_world.bus, "training", set()) == []


async def test_change_that_cannot_be_made_is_told(sqlite_world: World) -> None:
    with pytest.raises(BusRefusalError, match="storage"):
        await reconcile_stream(sqlite_world.bus, {**stream_config(COMMANDS), "storage": "memory"})


async def test_full_command_queue_says_so(sqlite_world: World) -> None:
    await reconcile_stream(sqlite_world.bus, {**stream_config(COMMANDS), "max_bytes": 4096})

    async def overfill() -> None:
        for _ in range(10):
            await sqlite_world.publish_bytes("commands.training.run.start.v1.flights", b"x" * 1000)

    with pytest.raises(StreamFullError):
        await overfill()


async def test_message_larger_than_the_broker_takes_is_malformed(sqlite_world: World) -> None:
    with pytest.raises(MalformedError, match="message too large"):
        await sqlite_world.publish_bytes("commands.training.run.start.v1.flights", b"x" * 2**21)


async def test_only_predictions_are_written_behind(sqlite_world: World) -> None:
    modes = {
        stream.name: (await sqlite_world.bus.ask(f"STREAM.INFO.{stream.name}"))["config"].get("persist_mode")
        for stream in STREAMS
    }

    assert [name for name, mode in modes.items() if mode == "async"] == [PREDICTIONS.name]
