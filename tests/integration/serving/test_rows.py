"""Rows that are scored as they arrive, in order where that was asked for, whoever dies meanwhile."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Any
from uuid import uuid4

import orjson
import pytest

from contracts.inference import Streaming
from services.chassis.bus import NotOnBusError
from services.chassis.delivery import StoredMessage
from services.chassis.errors import TransientError
from services.chassis.pulls import pulling
from services.chassis.streams import reconcile_consumer
from services.serving.replica.messages.rows import rows_of
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, desire, replica, replica_process

ANY_ORDER, BY_KEY = Streaming(), Streaming(order_by_key=True)


async def send(world: World, x: Any, key: str = "") -> None:
    content = x if isinstance(x, bytes | list) else {"x": x, "carrier": "UA"}
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    message_id = str(uuid4())

    async def stored() -> bool:
        # As anyone who publishes should: again under the same id, until it is certain.
        with suppress(TransientError):
            await world.publish_bytes(f"rows.{MODEL}{key and '.'}{key}", body, **{"Nats-Msg-Id": message_id})
            return True
        return False

    await eventually(stored)


async def scores(world: World) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    while True:
        after = found[-1].sequence + 1 if found else 1
        try:
            found.append(await world.bus.read("SCORES", seq=after, next_by_subj="scores.>"))
        except NotOnBusError:
            return found


async def scored(world: World, count: int, *, every_s: float = 0.05) -> list[StoredMessage]:
    async def enough() -> bool:
        with suppress(TransientError):
            return bool((await world.bus.ask("STREAM.INFO.SCORES"))["state"]["messages"] >= count)
        return False

    await eventually(enough, within_s=40, every_s=every_s)
    return await scores(world)


def by_key(said: list[StoredMessage]) -> dict[str, list[float]]:
    told: dict[str, list[float]] = defaultdict(list)
    for one in said:
        key = one.subject.removeprefix(f"scores.{MODEL}").removeprefix(".")
        told[key] += [each["score"] - STEP for each in orjson.loads(one.body)["predictions"]]
    return dict(told)


async def rows_are_gone(world: World) -> bool:
    return bool((await world.bus.ask("STREAM.INFO.ROWS"))["state"]["messages"] == 0)


@pytest.mark.parametrize("streaming", [ANY_ORDER, BY_KEY])
async def test_rows_are_answered_on_the_subject_of_the_same_key(
    sqlite_world: World, bundles: Bundles, streaming: Streaming
) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url, streaming=streaming) as part:
        await send(world, 1.0, "JFK.gate-1")
        await send(world, 2.0)
        await send(world, [{"x": 3.0, "carrier": "UA"}, {"x": 4.0, "carrier": "DL"}], "LGA")
        said = await scored(world, 3)
        await eventually(lambda: rows_are_gone(world))

    assert by_key(said) == {"JFK.gate-1": [1.0], "": [2.0], "LGA": [3.0, 4.0]}
    assert {one.headers["everloop-model-version"] for one in said} == {"1"}
    assert orjson.loads(said[0].body)["predictions"][0]["prediction_id"].endswith("-0")
    counts = part.follower.report().messages
    assert (counts.rows_scored, counts.rows_waiting) == (3, 0)


@pytest.mark.parametrize("streaming", [ANY_ORDER, BY_KEY])
async def test_bad_rows_are_dead_letters_and_the_rest_goes_on(
    sqlite_world: World, bundles: Bundles, streaming: Streaming
) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    for row in (1.0, b"no JSON", "far", 2.0):
        await send(world, row, "JFK")

    async with replica(world.broker.url, streaming=streaming):
        said = await scored(world, 2)
        await eventually(lambda: rows_are_gone(world))
        letters = await world.dead_letters()

    assert sorted(by_key(said)["JFK"]) == [1.0, 2.0]
    assert [(letter.reason, letter.subject) for letter in letters] == [("row_refused_400", f"rows.{MODEL}.JFK")] * 2


async def test_many_replicas_share_rows_that_have_no_order(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    url = world.broker.url
    async with replica(url, streaming=ANY_ORDER) as one, replica(url, streaming=ANY_ORDER) as other:
        for number in range(200):
            await send(world, float(number))
        said = await scored(world, 200)

    assert sorted(by_key(said)[""]) == [float(number) for number in range(200)]
    assert min(part.follower.report().messages.rows_scored for part in (one, other)) > 0


@pytest.mark.parametrize("streaming", [ANY_ORDER, BY_KEY])
async def test_killed_replica_loses_no_row_and_keeps_the_order(
    sqlite_world: World, bundles: Bundles, streaming: Streaming
) -> None:
    world, keys = sqlite_world, ("JFK", "LGA", "EWR")
    await desire(world.bus, bundles, 1)

    async def send_all() -> None:
        for number in range(200):
            for key in keys:
                await send(world, float(number), key)

    sending = asyncio.create_task(send_all())
    with replica_process(world.broker.url, order_by_key=streaming.order_by_key) as process:
        await scored(world, 60, every_s=0.002)
        process.kill()
        process.wait()
    async with replica(world.broker.url, streaming=streaming):
        await sending
        await scored(world, 600)
        await eventually(lambda: rows_are_gone(world))

    told = by_key(await scores(world))
    if not streaming.order_by_key:
        told = {key: sorted(values) for key, values in told.items()}
    assert told == {key: [float(number) for number in range(200)] for key in keys}


async def test_successor_waits_for_rows_that_died_with_another(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    definition = rows_of(MODEL, BY_KEY)
    await reconcile_consumer(world.bus, definition)
    for x in (1.0, 2.0, 3.0):
        await send(world, x, "JFK")
    async with pulling(world.bus, definition.stream, definition.name, group=definition.group) as dying:
        taken = await dying.some(2)
        while len(taken) < 2:
            taken += await dying.some(2 - len(taken))

        # It holds the first two and asks no more; from now on the third may be handed to whoever comes.
        async with replica(world.broker.url, streaming=BY_KEY):
            await send(world, 4.0, "JFK")
            said = await scored(world, 4)

    assert by_key(said) == {"JFK": [1.0, 2.0, 3.0, 4.0]}


async def test_replica_that_ends_hands_over_at_once(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url, streaming=BY_KEY) as other:
        async with replica(world.broker.url, streaming=BY_KEY) as one:
            for number in range(50):
                await send(world, float(number), "JFK")
            await scored(world, 50)
            owner, heir = (one, other) if one.follower.report().messages.rows_scored else (other, one)
        for number in range(50, 60):
            await send(world, float(number), "JFK")
        async with asyncio.timeout(15):
            said = await scored(world, 60)

    assert by_key(said) == {"JFK": [float(number) for number in range(60)]}
    assert owner.follower.report().messages.rows_scored + heir.follower.report().messages.rows_scored == 60


async def test_broker_that_dies_loses_no_row(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url, streaming=BY_KEY):
        for number in range(50):
            await send(world, float(number), "JFK")
        world.broker.kill()
        world.broker.start()
        await eventually(lambda: world.bus.connected)
        for number in range(50, 60):
            await send(world, float(number), "JFK")
        said = await scored(world, 60)

    assert by_key(said) == {"JFK": [float(number) for number in range(60)]}
