"""What cannot be handled is kept with its reason, disturbs nothing else, and can be replayed or dropped."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.envelope import MAX_BODY_BYTES, seal
from contracts.ingestion import IngestDataset
from contracts.message import Message
from contracts.serving import RolloutStarted
from services.chassis.bus import NotOnBusError
from services.chassis.dead_letters import DeadLetter, dead_letter, drop, replay
from services.chassis.errors import MalformedError, TransientError
from services.chassis.pulls import pulling
from services.chassis.subscriptions import Cause
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import Counts, EchoSettings, build
from tests.integration.chassis.test_life_of_a_message import START, obeying, queue_is_empty


def foreign_envelope() -> bytes:
    command = IngestDataset(pipeline="trains", uri="fine")
    return seal(command, message_id="one", source="test", time=datetime(2026, 1, 1, tzinfo=UTC)).to_bytes()


KINDS = [
    pytest.param(START, b"{", "not_json", "", id="not JSON"),
    pytest.param(START, b"[1]", "not_an_object", "list", id="no object"),
    pytest.param(START, b'"' + b"x" * MAX_BODY_BYTES + b'"', "message_too_large", str(MAX_BODY_BYTES), id="too large"),
    pytest.param(START, b'{"specversion": "1.0"}', "broken_envelope", "id: Field required", id="broken envelope"),
    pytest.param(START, foreign_envelope(), "wrong_pipeline", "trains", id="another pipeline"),
    pytest.param(START, b"{}", "schema_violation", "uri: Field required", id="missing field"),
    pytest.param(START, b'{"uri": "a", "url": "b"}', "schema_violation", "url: Extra", id="unknown field"),
    pytest.param(START, b'{"uri": "malformed:x"}', "senseless", "uri=malformed:x", id="refused for good"),
    pytest.param(START, b'{"uri": "transient:x"}', "pipeline_unknown", "flights", id="never the time"),
    pytest.param(START, b'{"uri": "bug:x"}', "handler_failed", "größer als gedacht", id="bug"),
    pytest.param("commands.ingestion.dataset.drop.v1.flights", b"{}", "unknown_type", "drop", id="unknown type"),
    pytest.param(
        "commands.ingestion.dataset.ingest.v9.flights", b"{}", "unknown_type", "known versions: commands", id="version"
    ),
    pytest.param("commands.ingestion.x", b"{}", "unknown_type", "commands.ingestion", id="half a subject"),
    pytest.param(START.replace("flights", "Big-Name"), b'{"uri": "a"}', "schema_violation", "pipeline", id="pipeline"),
]


async def only_letter(world: World) -> DeadLetter:
    [letter] = await eventually(world.dead_letters)
    return letter


@pytest.mark.parametrize(("subject", "body", "reason", "detail"), KINDS)
async def test_each_kind_is_kept_with_its_reason(
    sqlite_world: World, subject: str, body: bytes, reason: str, detail: str
) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish_bytes(subject, body, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        await world.publish(IngestDataset(pipeline="flights", uri="fine"))

        letter = await only_letter(world)
        await eventually(lambda: world.said(RolloutStarted))
        await eventually(lambda: queue_is_empty(world))

    assert letter.reason == reason
    assert detail in letter.detail
    assert (letter.service, letter.consumer) == ("ingestion", "ingestion__commands")
    assert (letter.subject, letter.stream, letter.stream_sequence) == (subject, "COMMANDS", 1)
    assert letter.body == body
    assert letter.headers == {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}


async def test_bug_is_tried_again_and_kept_with_its_stack(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish(IngestDataset(pipeline="flights", uri="bug:x"), message_id="one")
        letter = await only_letter(world)

    assert letter.deliveries == 3
    assert letter.message_id == "one"
    assert 'raise ZeroDivisionError("ein Fehler, größer als gedacht")' in letter.stack


async def test_rejected_command_is_done_and_leaves_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))) as echo:
        await world.publish(IngestDataset(pipeline="flights", uri="rejected:x"))
        await eventually(lambda: queue_is_empty(world))

        async with echo.work.transaction(write=False) as transaction:
            assert await transaction.port(Counts).of("rejected:x") == 0
    assert await world.dead_letters() == []


async def test_body_too_large_to_keep_is_told(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish_bytes(START, b"x" * (1024 * 1024 - 1000))
        letter = await only_letter(world)

    assert letter.reason == "message_too_large"
    assert letter.body_omitted_bytes == 1024 * 1024 - 1000
    with pytest.raises(MalformedError, match="body not kept"):
        await replay(world.bus, letter)


@pytest.mark.parametrize("by_hand", [True, False], ids=["plain JSON", "envelope"])
async def test_replayed_letter_is_handled_under_its_old_id_and_gone(sqlite_world: World, by_hand: bool) -> None:
    world = sqlite_world
    ready: list[tuple[str, bool]] = []

    async def ingest(command: IngestDataset, cause: Cause) -> list[Message]:
        if not ready:
            raise TransientError("pipeline_unknown")
        ready.append((cause.message_id, cause.replayed))
        return []

    async with world.running(obeying(world, ingest)):
        if by_hand:
            await world.publish_bytes(START, b'{"uri": "fine"}', **{"Nats-Msg-Id": "one"})
        else:
            await world.publish(IngestDataset(pipeline="flights", uri="fine"), message_id="one")
        letter = await only_letter(world)
        ready.append(("ready", False))

        await replay(world.bus, letter)

        await eventually(lambda: ready[1:] == [("one", True)])
    assert await world.dead_letters() == []


async def test_dropped_letter_is_gone(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish_bytes(START, b"{")
        letter = await only_letter(world)

    assert await dead_letter(world.bus, letter.sequence) == letter
    await drop(world.bus, letter)

    with pytest.raises(NotOnBusError):
        await dead_letter(world.bus, letter.sequence)


async def test_message_that_the_broker_gave_up_becomes_a_letter(sqlite_world: World) -> None:
    world = sqlite_world
    service = build(world.settings(EchoSettings))
    service = replace(service, retries=replace(service.retries, max_deliveries=2))
    async with world.running(service):
        pass
    await world.publish(IngestDataset(pipeline="flights", uri="fine"), message_id="killer")
    async with pulling(world.bus, "COMMANDS", "ingestion__commands") as pull:
        # As a process does that dies of the message each time.
        for _ in range(2):
            delivery = await pull.next()
            assert delivery is not None
            await delivery.nak(0)
        assert await pull.next(wait_s=0.2) is None

    async with world.running(service):
        letter = await only_letter(world)
        await eventually(lambda: queue_is_empty(world))

    assert (letter.reason, letter.message_id, letter.deliveries) == ("deliveries_exhausted", "killer", 2)


async def test_letter_fits_whatever_its_publisher_wrote(sqlite_world: World) -> None:
    world = sqlite_world
    headers = {f"X-{number}": "✈" * 500 for number in range(12)}

    async def ingest(command: IngestDataset) -> list[Message]:
        raise ZeroDivisionError("✈" * 100_000)

    async with world.running(obeying(world, ingest)):
        body = b'{"uri": "fine"}' + b" " * 500_000
        await world.publish_bytes(START, body, **headers)
        letter = await only_letter(world)

    assert letter.body == body
    assert letter.detail.startswith("ZeroDivisionError: ✈✈✈")
    assert letter.stack.endswith("✈✈✈\n")
    assert letter.headers == {f"X-{number}": "✈" * 500 for number in range(3)}
