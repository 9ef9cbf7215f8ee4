"""Requests that are kept until they are answered: once each, whoever dies meanwhile."""

from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from contracts.inference import MOST_ROWS, InferenceCompleted, InferenceFailed, RequestInference
from services.chassis.errors import TransientError
from services.chassis.pulls import pulling
from services.chassis.streams import reconcile_consumer
from services.serving.inferences.results import Results
from services.serving.replica.answering import Answering
from services.serving.replica.messages.requests import ATTEMPTS, SUSPECT, requests_of
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, desire, replica, replica_process

ROW = {"x": 1.0, "carrier": "UA"}


def asking(x: float = 1.0, **more: object) -> RequestInference:
    return RequestInference.model_validate({"pipeline": MODEL, "rows": [{**ROW, "x": x}], **more})


async def completed(world: World, count: int) -> list[InferenceCompleted]:
    async def found() -> list[InferenceCompleted]:
        with suppress(TransientError):
            said = await world.said(InferenceCompleted)
            return said if len(said) >= count else []
        return []

    return await eventually(found, within_s=40, every_s=0.05)


async def failed(world: World) -> InferenceFailed:
    return (await eventually(lambda: world.said(InferenceFailed)))[0]


async def queue_is_empty(world: World) -> bool:
    return bool((await world.bus.ask("STREAM.INFO.INFERENCE"))["state"]["messages"] == 0)


async def test_request_waits_for_a_replica_and_its_result_is_kept(sqlite_world: World, bundles: Bundles) -> None:
    world, request_id = sqlite_world, uuid4()
    await desire(world.bus, bundles, 1)
    await world.publish(asking(5.0, request_id=request_id))

    async with replica(world.broker.url):
        (event,) = await completed(world, 1)
        await eventually(lambda: queue_is_empty(world))

    kept = await Results(world.bus).get(request_id)
    assert kept is not None
    assert InferenceCompleted.model_validate(kept.data) == event
    assert (event.request_id, event.version) == (request_id, 1)
    assert [(each.prediction_id, each.score) for each in event.predictions] == [(f"{request_id.hex}-0", 5.0 + STEP)]


async def test_asked_twice_it_is_one_result(sqlite_world: World, bundles: Bundles) -> None:
    world, request_id = sqlite_world, uuid4()
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url) as part:
        await world.publish(asking(request_id=request_id))
        first = await completed(world, 1)
        await desire(world.bus, bundles, 2)
        await eventually(lambda: part.follower.report().answering == 2)
        by_column = RequestInference(
            pipeline=MODEL, request_id=request_id, columns={name: (value,) for name, value in ROW.items()}
        )
        await world.publish(by_column)
        await eventually(lambda: part.follower.report().messages.requests_completed == 2)

        assert await world.said(InferenceCompleted) == first
        assert first[0].version == 1


async def test_one_id_for_two_questions_is_a_dead_letter(sqlite_world: World, bundles: Bundles) -> None:
    world, request_id = sqlite_world, uuid4()
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url):
        await world.publish(asking(1.0, request_id=request_id))
        await completed(world, 1)
        await world.publish(asking(2.0, request_id=request_id))
        (letter,) = await eventually(world.dead_letters)

    assert letter.reason == "request_id_reused"
    assert letter.service == "serving"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no JSON", "not_json"),
        (orjson.dumps({"rows": []}), "schema_violation"),
        (orjson.dumps({"columns": {"x": [1.0] * (MOST_ROWS + 1)}}), "schema_violation"),
    ],
)
async def test_what_is_no_request_is_a_dead_letter_and_the_rest_goes_on(
    sqlite_world: World, bundles: Bundles, body: bytes, reason: str
) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url):
        await world.publish_bytes(f"{RequestInference.subject}.{MODEL}", body)
        await world.publish(asking())
        await completed(world, 1)
        (letter,) = await eventually(world.dead_letters)

    assert letter.reason == reason


@pytest.mark.parametrize(("more", "status"), [({"rows": [{"x": "far"}]}, 400), ({"version": 9}, 404)])
async def test_rows_that_do_not_fit_are_told_in_a_result(
    sqlite_world: World, bundles: Bundles, more: dict[str, object], status: int
) -> None:
    world, request_id = sqlite_world, uuid4()
    await desire(world.bus, bundles, 1)
    async with replica(world.broker.url):
        await world.publish(asking(request_id=request_id, **more))
        event = await failed(world)

    kept = await Results(world.bus).get(request_id)
    assert kept is not None
    assert (event.request_id, event.status) == (request_id, status)
    assert InferenceFailed.model_validate(kept.data) == event


async def test_plain_json_is_a_request_too(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    subject = f"{RequestInference.subject}.{MODEL}"
    async with replica(world.broker.url):
        await world.publish_bytes(subject, orjson.dumps({"rows": [ROW]}), **{"Nats-Msg-Id": "order-7"})
        (event,) = await completed(world, 1)

    assert event.predictions[0].prediction_id == f"{event.request_id.hex}-0"


async def test_killed_replica_loses_no_request_and_doubles_none(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    asked = {UUID(int=number): float(number) for number in range(1, 301)}
    with replica_process(world.broker.url) as process:
        for request_id, x in asked.items():
            await world.publish(asking(x, request_id=request_id))
        await completed(world, 20)

        process.kill()

        process.wait()
        assert not await queue_is_empty(world)
    async with replica(world.broker.url):
        answers = await completed(world, len(asked))
        await eventually(lambda: queue_is_empty(world))

    assert {one.request_id: one.predictions[0].score - STEP for one in answers} == asked
    assert len(await world.said(InferenceCompleted)) == len(asked)


async def test_broker_that_dies_loses_no_request_and_doubles_none(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    asked = [UUID(int=number) for number in range(1, 101)]
    for request_id in asked:
        await world.publish(asking(request_id=request_id))
    async with replica(world.broker.url):
        world.broker.kill()
        world.broker.start()
        await eventually(lambda: world.bus.connected)
        answers = await completed(world, len(asked))
        await eventually(lambda: queue_is_empty(world))

    assert sorted(one.request_id for one in answers) == asked


async def test_request_that_was_tried_in_vain_fails_in_the_end(sqlite_world: World, bundles: Bundles) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    definition = requests_of(MODEL)
    await reconcile_consumer(world.bus, definition)
    await world.publish(asking(request_id=uuid4()))
    async with pulling(world.bus, definition.stream, definition.name) as dying:
        # As replicas do that die of it each time.
        for _ in range(ATTEMPTS):
            delivery = await dying.next()
            assert delivery is not None
            await delivery.nak(0)

    async with replica(world.broker.url):
        event = await failed(world)
        await eventually(lambda: queue_is_empty(world))

    assert (event.status, event.reason) == (500, "given up after 6 attempts; the logs of the replicas tell why")


async def test_request_that_killed_before_is_worked_on_alone(
    sqlite_world: World, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await desire(world.bus, bundles, 1)
    definition = requests_of(MODEL)
    await reconcile_consumer(world.bus, definition)
    await world.publish(asking(request_id=UUID(int=1)))
    async with pulling(world.bus, definition.stream, definition.name) as dying:
        for _ in range(SUSPECT - 1):
            delivery = await dying.next()
            assert delivery is not None
            await delivery.nak(0)
    for number in range(2, 21):
        await world.publish(asking(request_id=UUID(int=number)))
    beside = watch(monkeypatch)
    async with replica(world.broker.url):
        await completed(world, 20)

    assert beside[UUID(int=1)] == 1
    assert max(beside.values()) > 1


def watch(monkeypatch: pytest.MonkeyPatch) -> dict[UUID, int]:
    """Count, by request, how many are worked on at once while it is."""
    now, most, answer = set[UUID](), dict[UUID, int](), Answering.answer

    async def counted(*args: Any, **options: Any) -> Any:
        now.add(options["request_id"])
        for each in now:
            most[each] = max(most.get(each, 0), len(now))
        try:
            return await answer(*args, **options)
        finally:
            now.discard(options["request_id"])

    monkeypatch.setattr(Answering, "answer", counted)
    return most
