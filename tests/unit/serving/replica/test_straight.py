"""Requests reach the model without Serve's wrapper, and no more of them than it can hold."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.serving.replica import straight
from services.serving.replica.room import Room
from services.serving.replica.straight import Entrance, Straight

MODEL = "/v2/models/flights/infer"


class Model:
    """Answers when it may, and counts."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may.wait()
            await PlainTextResponse("model")(scope, receive, send)
        finally:
            self.at_once -= 1


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as Serve's wrapper."""
    await PlainTextResponse("serve")(scope, receive, send)


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    straight.entrance = Entrance(model, Room(max_ongoing=2, max_waiting=3))
    yield model
    straight.entrance = None


def client() -> httpx.AsyncClient:
    """Ask the middleware."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(Straight(serve)), base_url="http://replica")


async def test_model_is_asked_straight_and_serve_for_its_own_paths(model: Model) -> None:
    model.may.set()

    async with client() as replica:
        assert (await replica.post(MODEL)).text == "model"
        assert (await replica.get("/-/healthz")).text == "serve"


async def test_serves_way_is_kept_where_serve_must_count() -> None:
    async with client() as replica:
        assert (await replica.post(MODEL)).text == "serve"


async def test_what_would_wait_too_long_is_refused_at_once_and_the_rest_is_answered(model: Model) -> None:
    async with client() as replica:
        waiting = [asyncio.create_task(replica.post(MODEL)) for _ in range(8)]
        refused: set[asyncio.Task[httpx.Response]] = set()
        rest = set(waiting)
        while len(refused) < 3:
            done, rest = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        model.may.set()
        answered = await asyncio.gather(*rest)
        later = await replica.post(MODEL)

    answers = [task.result() for task in refused]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert [answer.headers["retry-after"] for answer in answers] == ["1"] * 3
    assert answers[0].json() == {"error": "too many requests wait for this replica; come again"}
    assert [answer.status_code for answer in (*answered, later)] == [200] * 6
    assert model.most_at_once == 2


async def test_a_caller_who_leaves_makes_room(model: Model) -> None:
    async with client() as replica:
        asking = [asyncio.create_task(replica.post(MODEL)) for _ in range(6)]
        done, leaving = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        model.may.set()
        answered = await replica.post(MODEL)

    assert [task.result().status_code for task in done] == [503]
    assert answered.status_code == 200
