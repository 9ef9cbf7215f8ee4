"""A model asked over the broker, on a real one."""

import asyncio
import json
from typing import Any

import httpx
import orjson
import pytest

from services.chassis.bus import NotOnBusError
from services.chassis.delivery import Arrival
from services.serving.replica.http import Inference
from tests.fixtures.bundles import STEP, Bundles
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.serving.replicas import MODEL, Part, desire, replica
from tests.integration.serving.stage import request

SUBJECT = f"inference.{MODEL}"


async def ask(world: World, body: Any, subject: str = SUBJECT, **headers: str) -> Arrival:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await world.bus.request(subject, content, headers=headers, timeout_s=5)


async def test_answer_is_the_one_that_http_gives(sqlite_world: World, bundles: Bundles) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url) as part:
        app = httpx.ASGITransport(Inference(part.answering, max_request_bytes=10_000).app())
        async with httpx.AsyncClient(transport=app, base_url="http://test") as client:
            over_http = (await client.post(f"/v2/models/{MODEL}/infer", json=request([1.0, 2.0], id="mine"))).json()

        reply = await ask(sqlite_world, request([1.0, 2.0], id="mine"))
        numbered = await ask(sqlite_world, request([1.0]), f"{SUBJECT}.1")

    over_bus = json.loads(reply.body)
    assert over_bus["outputs"][0] == over_http["outputs"][0]
    assert {name: over_bus[name] for name in ("id", "model_name", "model_version")} == {
        "id": "mine",
        "model_name": MODEL,
        "model_version": "1",
    }
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["everloop-model-version"] == "1"
    assert json.loads(numbered.body)["model_version"] == "1"


@pytest.mark.parametrize(
    ("body", "subject", "code"),
    [
        (b"no JSON", SUBJECT, "400"),
        ({"inputs": []}, SUBJECT, "400"),
        (request([1.0]), f"{SUBJECT}.7", "404"),
        (request([1.0]), f"{SUBJECT}.1.explain", "404"),
        (b" " * 600_000, SUBJECT, "413"),
    ],
)
async def test_errors_are_the_protocol_s_with_the_code_in_a_header(
    sqlite_world: World, bundles: Bundles, body: Any, subject: str, code: str
) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url):
        reply = await ask(sqlite_world, body, subject)

    assert reply.headers["Nats-Service-Error-Code"] == code
    assert reply.headers["Nats-Service-Error"] == json.loads(reply.body)["error"]


async def test_rows_can_be_asked_as_objects(sqlite_world: World, bundles: Bundles) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url):
        replies = [
            await ask(sqlite_world, {"x": 2.0, "carrier": "UA"}, f"{SUBJECT}.{place}")
            for place in ("predict", "1.predict")
        ]

    assert [json.loads(reply.body)["predictions"][0]["score"] for reply in replies] == [2.0 + STEP] * 2


async def test_more_than_are_taken_at_once_are_told_to_come_again(
    sqlite_world: World, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url, requests_at_once=2) as part:
        go_on = hold(part, monkeypatch)
        held = [asyncio.create_task(ask(sqlite_world, request([1.0]))) for _ in range(2)]
        await eventually(lambda: go_on.waiting == 2)

        refused = await ask(sqlite_world, request([1.0]))
        go_on.set()
        answers = await asyncio.gather(*held)

    assert refused.headers["Nats-Service-Error-Code"] == "429"
    assert refused.headers["retry-after"] == "1"
    assert ["Nats-Service-Error-Code" in answer.headers for answer in answers] == [False, False]
    assert (part.follower.report().messages.replied, part.follower.report().messages.refused) == (2, 1)


async def test_replica_that_ends_answers_what_it_was_asked(
    sqlite_world: World, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    async with replica(sqlite_world.broker.url) as part:
        go_on = hold(part, monkeypatch)
        held = asyncio.create_task(ask(sqlite_world, request([1.0])))
        await eventually(lambda: go_on.waiting == 1)
        asyncio.get_running_loop().call_later(0.05, go_on.set)

    assert json.loads((await held).body)["outputs"][0]["data"] == [1.0 + STEP]
    with pytest.raises(NotOnBusError):
        await ask(sqlite_world, request([1.0]))


async def test_replicas_share_requests_and_are_found_as_services(sqlite_world: World, bundles: Bundles) -> None:
    await desire(sqlite_world.bus, bundles, 1)
    url = sqlite_world.broker.url
    async with replica(url, requests_at_once=64) as one, replica(url, requests_at_once=64) as other:
        await asyncio.gather(*(ask(sqlite_world, request([1.0])) for _ in range(40)))
        stats = json.loads((await ask(sqlite_world, b"", "$SRV.STATS.everloop-inference")).body)
        ping = json.loads((await ask(sqlite_world, b"", "$SRV.PING")).body)
        info = json.loads((await ask(sqlite_world, b"", "$SRV.INFO.everloop-inference")).body)

    replied = [part.follower.report().messages.replied for part in (one, other)]
    assert sum(replied) == 40
    assert min(replied) > 0
    assert stats["endpoints"][0]["num_requests"] in replied
    assert ping["type"] == "io.nats.micro.v1.ping_response"
    assert info["metadata"] == {"model": MODEL}
    assert [endpoint["subject"] for endpoint in info["endpoints"]] == [SUBJECT, f"{SUBJECT}.>"]


class Held(asyncio.Event):
    """Lets answers go on once it is set."""

    waiting = 0


def hold(part: Part, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Make the model wait before it answers."""
    go_on, answer = Held(), part.answering.answer

    async def later(*args: Any, **options: Any) -> Any:
        go_on.waiting += 1
        await go_on.wait()
        return await answer(*args, **options)

    monkeypatch.setattr(part.answering, "answer", later)
    return go_on
