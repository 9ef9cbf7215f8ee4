"""The HTTP face of a model, asked without Serve."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.types import Message

from everloop.bundle.rows import InputError
from services.chassis.telemetry import Telemetry
from services.serving.replica.answering import Answering
from services.serving.replica.door import Door
from services.serving.replica.http import Inference
from services.serving.replica.lineup import Lineup, LoadedVersion
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf
from tests.fakes.serving.board import InMemoryBoard
from tests.fixtures.telemetry import Spans
from tests.unit.serving.replica.test_prediction_log import Bus
from tests.unit.serving.replica.test_protocol import inputs
from tests.unit.serving.replica.test_shelf import Loader, desired, loaded

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Face:
    """One model's application and what stands behind it."""

    def __init__(self) -> None:
        self.shelf = Shelf(Loader())
        self.bus = Bus()
        self.spans = Spans()
        self.log = PredictionLog(self.bus, pipeline="flights", replica="one", capacity_rows=1000, flush_s=0.01)
        telemetry = Telemetry("serving", processors=(self.spans.processor,))
        self.answering = Answering("flights", self.shelf, self.log, telemetry, trace_ratio=0.0)
        self.app = Inference(self.answering, max_request_bytes=10_000).app()

    async def holds(self, *versions: int, answering: int | None = None) -> None:
        await self.shelf.follow(desired(*versions, answering=answering))

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        # Serve mounts the application below its route prefix and says so in the scope.
        transport = httpx.ASGITransport(self.app, root_path="/v2/models/flights", raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://serve/v2/models/flights") as client:
            yield client


@pytest.fixture
def face() -> Face:
    return Face()


async def test_answer_names_version_and_prediction_ids(face: Face) -> None:
    await face.holds(3, answering=3)

    async with face.client() as client:
        answer = await client.post("/infer", json={"inputs": inputs()})

    content = answer.json()
    assert (content["model_name"], content["model_version"]) == ("flights", "3")
    assert answer.headers["everloop-model-version"] == "3"
    assert content["outputs"][0]["data"] == [3001.5, 3002.0]
    assert len(set(content["outputs"][1]["data"])) == 2


async def test_answer_is_in_the_log_as_it_was_given(face: Face) -> None:
    await face.holds(3, answering=3)

    async with face.client() as client:
        content = (await client.post("/infer", json={"inputs": inputs()})).json()
    await face.log.drain(1)

    ((batch,),) = [message.batches for message in face.bus.taken]
    assert list(batch.prediction_ids) == content["outputs"][1]["data"]
    assert batch.scores == (3001.5, 3002.0)
    assert batch.inputs["hour"] == (None, 7)


async def test_version_can_be_chosen_among_those_held(face: Face) -> None:
    await face.holds(1, 2, answering=2)

    async with face.client() as client:
        chosen = await client.post("/versions/1/infer", json={"inputs": inputs()})
        ready = await client.get("/versions/1/ready")
        absent = await client.post("/versions/7/infer", json={"inputs": inputs()})
        nonsense = await client.get("/versions/latest/ready")

    assert chosen.json()["model_version"] == "1"
    assert ready.json() == {"name": "flights", "ready": True}
    assert (absent.status_code, absent.json()) == (404, {"error": "version 7 of flights is not held here"})
    assert nonsense.status_code == 404


async def test_model_without_a_version_says_when_to_come_back(face: Face) -> None:
    async with face.client() as client:
        answer = await client.post("/infer", json={"inputs": inputs()})
        ready = await client.get("/ready")

    assert (answer.status_code, answer.json()) == (503, {"error": "no version of flights answers yet"})
    assert answer.headers["retry-after"] == "1"
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert ready.headers["retry-after"] == "1"


async def test_metadata_lists_versions_and_tensors(face: Face) -> None:
    await face.holds(1, 2, answering=2)

    async with face.client() as client:
        described = (await client.get("http://serve/v2/models/flights")).json()

    assert described["name"] == "flights"
    assert described["versions"] == ["1", "2"]


async def test_errors_speak_the_protocol(face: Face) -> None:
    await face.holds(1, answering=1)

    async with face.client() as client:
        answers = [
            await client.post("/infer", content=b"{"),
            await client.get("/infer"),
            await client.get("/elsewhere"),
            await client.post("/infer", content=b"x" * 10_001),
            await client.post("/infer", content=b"x", headers={"Inference-Header-Content-Length": "1"}),
        ]

    assert [answer.status_code for answer in answers] == [400, 405, 404, 413, 400]
    assert all(set(answer.json()) == {"error"} for answer in answers)


async def test_model_that_fails_harms_one_request_and_tells_nothing_of_its_insides(face: Face) -> None:
    face.shelf.lineup = Lineup(broken(RuntimeError("secret")))
    async with face.client() as client:
        failed = await client.post("/infer", json={"inputs": inputs()})
        face.shelf.lineup = Lineup(broken(InputError("hour: expected integer")))
        refused = await client.post("/infer", json={"inputs": inputs()})
        face.shelf.lineup = Lineup(loaded(1))
        fine = await client.post("/infer", json={"inputs": inputs()})

    assert (failed.status_code, "secret" in failed.text) == (500, False)
    assert (refused.status_code, refused.json()) == (400, {"error": "hour: expected integer"})
    assert fine.status_code == 200


async def test_score_that_is_no_number_is_never_answered(face: Face) -> None:
    face.shelf.lineup = Lineup(answers_with(float("nan")))

    async with face.client() as client:
        answer = await client.post("/infer", json={"inputs": inputs()})

    assert answer.status_code == 500
    assert face.log.counts.waiting == 0


async def test_many_rows_are_scored_beside_the_event_loop(face: Face) -> None:
    await face.holds(1, answering=1)
    many = [{**one, "shape": [20], "data": one["data"] * 10} for one in inputs()]

    async with face.client() as client:
        answer = await client.post("/infer", json={"inputs": many})

    assert len(answer.json()["outputs"][0]["data"]) == 20


async def test_prediction_goes_on_in_the_callers_trace(face: Face) -> None:
    await face.holds(3, answering=3)

    async with face.client() as client:
        await client.post("/infer", json={"inputs": inputs()}, headers={"traceparent": TRACEPARENT})
        await client.post("/infer", json={"inputs": inputs()})
    await face.log.drain(1)

    (span,) = face.spans.named("predict")
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" in TRACEPARENT
    assert span.attributes is not None
    assert span.attributes["everloop.model.version"] == 3
    ((traced, untraced),) = [message.batches for message in face.bus.taken]
    assert traced.traceparent is not None
    assert f"{span.context.trace_id:032x}" in traced.traceparent
    assert untraced.traceparent is None


async def test_caller_who_left_is_nobodys_error(face: Face) -> None:
    await face.holds(1, answering=1)
    sent: list[Message] = []

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/v2/models/flights/infer"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await face.app(scope, leave, send)

    assert sent == []
    assert face.log.counts.waiting == 0


async def test_door_is_ready_when_every_model_that_should_answer_does() -> None:
    board = InMemoryBoard()
    transport = httpx.ASGITransport(Door(lambda: board).app())
    async with httpx.AsyncClient(transport=transport, base_url="http://serve") as client:
        empty = await client.get("/v2/health/ready")
        await board.post_desired(desired(1, answering=1))
        waiting = await client.get("/v2/health/ready")
        live = await client.get("/v2/health/live")
        unknown = await client.post("/v2/models/trains/infer")

    assert (empty.status_code, empty.json()) == (200, {"ready": True})
    assert (waiting.status_code, waiting.json()) == (503, {"ready": False})
    assert waiting.headers["retry-after"] == "1"
    assert live.json() == {"live": True}
    assert (unknown.status_code, unknown.json()) == (404, {"error": "no model 'trains' is served here"})


async def test_door_lists_models_and_sends_on_who_asks_for_one() -> None:
    """Where an ingress hands nothing over, people's paths come to the door."""
    board = InMemoryBoard()
    await board.post_desired(desired(1, answering=1))
    transport = httpx.ASGITransport(Door(lambda: board).app())
    async with httpx.AsyncClient(transport=transport, base_url="http://serve") as client:
        listed = await client.get("/v1/models")
        sent_on = await client.post("/v1/models/flights/predict?explain=true", json=[])
        bare = await client.get("/v1/models/flights")
        unknown = await client.post("/v2/models/trains/v1/predict")

    assert listed.json() == {"models": [{"model": "flights", "version": 1}]}
    assert (sent_on.status_code, sent_on.headers["location"]) == (307, "/v2/models/flights/v1/predict?explain=true")
    assert bare.headers["location"] == "/v2/models/flights/v1"
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "no model 'trains' is served here")


def broken(error: Exception) -> LoadedVersion:
    def predict(columns: Any) -> Any:
        raise error

    return LoadedVersion(1, loaded(1).signature, loaded(1).reader, predict, loaded(1).bundle_digest)


def answers_with(score: float) -> LoadedVersion:
    def predict(columns: Any) -> Any:
        return np.full(2, score)

    return LoadedVersion(1, loaded(1).signature, loaded(1).reader, predict, loaded(1).bundle_digest)


async def test_a_body_that_does_not_come_holds_its_place_for_so_long_and_no_longer(face: Face) -> None:
    await face.holds(1, answering=1)
    app = Inference(face.answering, max_request_bytes=10_000, request_timeout_s=0.01).app()
    sent: list[Message] = []
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Message:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/v2/models/flights/infer"
    await app({"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}, receive, send)

    assert sent[0]["status"] == 408
