"""A command becomes a row and a fact; once, in order, in one trace."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from opentelemetry.sdk.trace import ReadableSpan

from contracts.envelope import CONTENT_TYPE, seal
from contracts.ingestion import IngestDataset
from contracts.message import Message
from contracts.serving import RolloutRolledBack, RolloutStarted
from services.chassis.errors import TransientError
from services.chassis.handling import Retries
from services.chassis.service import Live, Service
from services.chassis.subscriptions import Subscription
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import Counts, EchoSettings, build

Handler = Callable[..., Awaitable[list[Message]]]
START = "commands.ingestion.dataset.ingest.v1.flights"


def obeying(world: World, handler: Handler, *, retries: Retries | None = None) -> Service:
    """Build the echo service with another handler for its command."""
    service = build(world.settings(EchoSettings))
    subscriptions = (Subscription(IngestDataset, handler),)
    return replace(service, subscriptions=subscriptions, retries=retries or service.retries)


async def count(live: Live, key: str) -> int:
    async with live.work.transaction(write=False) as transaction:
        return await transaction.port(Counts).of(key)


def id_of(span: ReadableSpan) -> int:
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


async def queue_is_empty(world: World) -> bool:
    return (await world.bus.ask("STREAM.INFO.COMMANDS"))["state"]["messages"] == 0


async def test_command_is_obeyed_and_its_facts_are_heard(world: World) -> None:
    async with world.running(build(world.settings(EchoSettings))) as echo:
        await world.publish(IngestDataset(pipeline="flights", uri="fine"), message_id="one")

        [fact] = await eventually(lambda: world.said(RolloutStarted))
        [echoed] = await eventually(lambda: world.said(RolloutRolledBack))

        assert echoed.rollout_id == fact.rollout_id
        assert await count(echo, "fine") == 1
        assert await count(echo, f"heard:{fact.rollout_id}") == 1
        await eventually(lambda: queue_is_empty(world))


async def test_facts_keep_the_story_of_their_command(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish(IngestDataset(pipeline="flights", uri="fine"), message_id="one")
        await eventually(lambda: world.said(RolloutRolledBack))

    [first] = await world.envelopes(RolloutStarted)
    [second] = await world.envelopes(RolloutRolledBack)
    assert (first.causationid, first.correlationid) == ("one", "one")
    assert (second.causationid, second.correlationid) == (first.id, "one")


async def test_one_trace_runs_through_all_messages(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish(IngestDataset(pipeline="flights", uri="fine"))
        await eventually(lambda: world.said(RolloutRolledBack))

    [said] = world.spans.named("publish commands.ingestion.dataset.ingest.v1")
    [obeyed] = world.spans.named("process commands.ingestion.dataset.ingest.v1")
    [published] = world.spans.named("publish events.serving.rollout.started.v1")
    [heard] = world.spans.named("process events.serving.rollout.started.v1")
    assert parent_of(obeyed) == id_of(said)
    assert parent_of(published) == id_of(obeyed)
    assert parent_of(heard) == id_of(obeyed)
    assert [link.context.span_id for link in heard.links] == [id_of(published)]
    assert {span.context.trace_id for span in (said, obeyed, published, heard)} == {said.context.trace_id}
    assert obeyed.attributes is not None
    assert obeyed.attributes["everloop.message.outcome"] == "handled"
    assert obeyed.resource.attributes["service.name"] == "ingestion"


async def test_plain_json_without_envelope_is_a_command(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.publish_bytes(START, b'{"uri": "by hand"}')

        await eventually(lambda: world.said(RolloutStarted))


async def test_same_message_under_another_delivery_changes_nothing(world: World) -> None:
    async with world.running(build(world.settings(EchoSettings))) as echo:
        command = IngestDataset(pipeline="flights", uri="fine")
        body = seal(command, message_id="one", source="test", time=datetime(2026, 1, 1, tzinfo=UTC)).to_bytes()
        # Ids of their own for the stream, which would drop the second itself.
        for _ in range(2):
            await world.publish_bytes(START, body, **{"Content-Type": CONTENT_TYPE})

        await eventually(lambda: queue_is_empty(world))
        assert await count(echo, "fine") == 1
        assert len(await world.said(RolloutStarted)) == 1


async def test_order_is_kept_when_one_is_tried_again(sqlite_world: World) -> None:
    world = sqlite_world
    obeyed: list[str] = []
    troubles = iter([True, True])

    async def ingest(command: IngestDataset) -> list[Message]:
        if command.uri == "1" and next(troubles, False):
            raise TransientError("not_now")
        obeyed.append(command.uri)
        return []

    async with world.running(obeying(world, ingest)):
        for number in range(5):
            await world.publish(IngestDataset(pipeline="flights", uri=str(number)))
        await eventually(lambda: queue_is_empty(world))

    assert obeyed == ["0", "1", "2", "3", "4"]


async def test_slow_handler_keeps_its_message(sqlite_world: World) -> None:
    world = sqlite_world
    begun: list[str] = []
    release = asyncio.Event()

    async def ingest(command: IngestDataset) -> list[Message]:
        begun.append(command.uri)
        await release.wait()
        return []

    async with world.running(obeying(world, ingest, retries=Retries(ack_wait_s=0.2))):
        sent_at = asyncio.get_running_loop().time()
        await world.publish(IngestDataset(pipeline="flights", uri="slow"))
        await eventually(lambda: asyncio.get_running_loop().time() > sent_at + 1)
        release.set()
        await eventually(lambda: queue_is_empty(world))

    assert begun == ["slow"]


async def test_stopping_finishes_what_is_in_hand_and_says_it(sqlite_world: World) -> None:
    world = sqlite_world
    begun, release = asyncio.Event(), asyncio.Event()

    async def ingest(command: IngestDataset) -> list[Message]:
        begun.set()
        await release.wait()
        return [RolloutStarted.model_validate({"pipeline": "flights", "rollout_id": "0" * 32, "version": 1})]

    async with world.running(obeying(world, ingest)):
        await world.publish(IngestDataset(pipeline="flights", uri="fine"))
        await begun.wait()
        asyncio.get_running_loop().call_later(0.2, release.set)

    assert len(await world.said(RolloutStarted)) == 1
    assert await queue_is_empty(world)


async def test_deleted_consumer_is_recreated(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))):
        await world.bus.ask("CONSUMER.DELETE.COMMANDS.ingestion__commands")

        await world.publish(IngestDataset(pipeline="flights", uri="fine"))

        await eventually(lambda: world.said(RolloutStarted))


async def test_broker_that_is_killed_and_returns_is_no_event(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings))) as echo:
        world.broker.kill()
        await eventually(lambda: not echo.bus.connected and not world.bus.connected)
        async with echo.work.transaction() as transaction:
            transaction.say(RolloutStarted.model_validate({"pipeline": "f", "rollout_id": "0" * 32, "version": 1}))
        world.broker.start()

        await eventually(lambda: echo.bus.connected and world.bus.connected)
        await eventually(lambda: world.said(RolloutRolledBack))

    assert json.loads((await world.bus.read("EVENTS", seq=1)).body)["data"]["version"] == 1


async def test_what_is_said_together_is_stored_once_and_in_order(sqlite_world: World) -> None:
    said = [RolloutStarted(pipeline="flights", rollout_id=uuid4(), version=number) for number in range(1, 251)]
    async with sqlite_world.running(build(sqlite_world.settings(EchoSettings))) as echo:
        async with echo.work.transaction() as transaction:
            for fact in said:
                transaction.say(fact)

        async def all_stored() -> bool:
            return len(await sqlite_world.said(RolloutStarted)) >= len(said)

        await eventually(all_stored)

    assert await sqlite_world.said(RolloutStarted) == said
