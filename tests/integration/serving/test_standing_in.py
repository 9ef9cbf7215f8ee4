"""A model that sleeps is asked over NATS all the same: the door hears, and asks through the front, which wakes it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from services.chassis.bus import NotOnBusError
from services.chassis.delivery import Arrival
from services.serving.board import BusBoard
from services.serving.replica.messages import standing_in
from services.serving.replica.messages.standing_in import StandIn
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, desire, replica

ROW = json.dumps({"x": 1.0, "carrier": "UA"}).encode()
Front = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_in, "LOOK_EVERY_S", 0.05)


@asynccontextmanager
async def door(world: World, front: Front) -> AsyncIterator[None]:
    """Stand in for whoever sleeps, in front of a front that a test plays."""
    transport = httpx.MockTransport(front)
    async with httpx.AsyncClient(transport=transport, base_url="http://front") as http, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(StandIn(world.bus, BusBoard(world.bus), http, at_once=2).run())
        yield
        running.cancel()


async def sleeps(world: World, bundles: Bundles) -> None:
    await desire(world.bus, bundles, 1)
    board = BusBoard(world.bus)
    desired = await board.desired(MODEL)
    assert desired is not None
    await board.post_desired(desired.model_copy(update={"idle": True}))


async def ask(world: World, tail: str = "", body: bytes = ROW, **headers: str) -> Arrival:
    return await world.bus.request(f"inference.{MODEL}{tail}", body, headers=headers, timeout_s=5)


async def heard(world: World) -> bool:
    try:
        await ask(world)
    except NotOnBusError:
        return False
    return True


async def test_each_way_of_asking_goes_its_way_through_the_front(sqlite_world: World, bundles: Bundles) -> None:
    asked: list[httpx.Request] = []

    def front(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, content=b"scores", headers={"everloop-model-version": "1", "server": "front"})

    async with door(sqlite_world, front):
        assert not await heard(sqlite_world), "it is none of the door's business yet"
        await sleeps(sqlite_world, bundles)
        await eventually(lambda: heard(sqlite_world))
        asked.clear()
        tails = ("", ".7", ".predict", ".7.predict")
        answers = [await ask(sqlite_world, tail, **{"Everloop-Routing-Key": "k", "X-Other": "o"}) for tail in tails]
        nowhere = await ask(sqlite_world, ".7.predict.x")

    assert [request.url.path for request in asked] == [
        f"/v2/models/{MODEL}/infer",
        f"/v2/models/{MODEL}/versions/7/infer",
        f"/v1/models/{MODEL}/predict",
        f"/v1/models/{MODEL}/versions/7/predict",
    ]
    assert {request.content for request in asked} == {ROW}
    assert {(one.headers.get("everloop-routing-key"), one.headers.get("x-other")) for one in asked} == {("k", None)}
    assert {(one.body, tuple(one.headers.items())) for one in answers} == {
        (b"scores", (("everloop-model-version", "1"),))
    }
    assert nowhere.headers["Nats-Service-Error-Code"] == "404"


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (httpx.Response(400, json={"error": "no column x"}), ("400", "no column x", None)),
        (httpx.Response(429, json={"detail": "many"}, headers={"retry-after": "3"}), ("429", "many", "3")),
        (httpx.Response(502, content=b"<html>"), ("502", "Bad Gateway", None)),
        (httpx.ConnectError("refused"), ("503", "the model does not wake; come again", "1")),
    ],
)
async def test_refusals_are_said_as_replicas_say_them(
    sqlite_world: World, bundles: Bundles, refusal: httpx.Response | Exception, said: tuple[str, str, str | None]
) -> None:
    def front(_: httpx.Request) -> httpx.Response:
        if isinstance(refusal, Exception):
            raise refusal
        return refusal

    async with door(sqlite_world, front):
        await sleeps(sqlite_world, bundles)
        await eventually(lambda: heard(sqlite_world))
        answer = await ask(sqlite_world)

    headers = answer.headers
    assert (headers["Nats-Service-Error-Code"], headers["Nats-Service-Error"], headers.get("retry-after")) == said
    assert json.loads(answer.body) == {"error": said[1]}


async def test_nobody_is_left_unheard_while_a_replica_wakes(sqlite_world: World, bundles: Bundles) -> None:
    def front(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"predictions": [{"score": STEP + 1}]})

    async def from_replica() -> bool:
        answer = await ask(sqlite_world, ".predict")
        (prediction,) = json.loads(answer.body)["predictions"]
        assert prediction["score"] == STEP + 1
        return "prediction_id" in prediction

    async with door(sqlite_world, front):
        await sleeps(sqlite_world, bundles)
        await eventually(lambda: heard(sqlite_world))
        async with replica(sqlite_world.broker.url) as part:
            in_a_row = 0

            async def awake() -> bool:
                nonlocal in_a_row
                in_a_row = in_a_row + 1 if await from_replica() else 0
                return in_a_row == 20

            await eventually(awake)
        await BusBoard(sqlite_world.bus).withdraw(part.follower.report())
        await eventually(lambda: heard(sqlite_world))
        assert not await from_replica()
