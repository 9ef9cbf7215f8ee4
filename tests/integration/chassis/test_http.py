"""The HTTP edge: health, transactions, and problem+json whatever goes wrong."""

from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.serving import RolloutStarted
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import EchoSettings, build


@pytest.fixture
async def client(sqlite_world: World) -> AsyncIterator[httpx.AsyncClient]:
    world = sqlite_world
    service = build(world.settings(EchoSettings, max_body_bytes=1000))
    async with world.running(service) as echo, httpx.AsyncClient(base_url=echo.url) as client:
        yield client


async def test_healthy_service_says_so(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "live"}
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    assert "/v1/counts/{key}" in (await client.get("/openapi.json")).json()["paths"]
    assert (await client.get("/docs")).status_code == 200


async def test_service_without_its_broker_is_not_ready_but_lives(
    client: httpx.AsyncClient, sqlite_world: World
) -> None:
    sqlite_world.broker.kill()

    async def not_ready() -> httpx.Response | None:
        answer = await client.get("/health/ready")
        return answer if answer.status_code == 503 else None

    answer = await eventually(not_ready)
    assert answer is not None
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "bus: not connected"
    assert (await client.get("/health/live")).status_code == 200


async def test_request_is_a_transaction_that_speaks(client: httpx.AsyncClient, sqlite_world: World) -> None:
    assert (await client.post("/v1/counts/a")).json() == {"times": 1}

    # Committed before the answer came, so the very next request sees it.
    assert (await client.get("/v1/counts/a")).json() == {"times": 1}
    [said] = await eventually(lambda: sqlite_world.said(RolloutStarted))
    [request] = sqlite_world.spans.named("POST /v1/counts/{key}")
    [published] = sqlite_world.spans.named("publish events.serving.rollout.started.v1")
    assert said.version == 1
    assert published.parent is not None
    assert published.parent.span_id == request.context.span_id


async def test_refused_request_changes_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/counts/a", params={"limit": 0})

    assert answer.status_code == 409
    assert (await client.get("/v1/counts/a")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/counts/none", 404, "count_not_found"),
        ("POST", "/v1/failures/field", 422, "out_of_range"),
        ("POST", "/v1/failures/malformed", 400, "senseless"),
        ("POST", "/v1/failures/transient", 503, "not_now"),
        ("POST", "/v1/failures/bug", 500, "internal_error"),
        ("POST", "/v1/counts/a?limit=many", 422, "invalid_request"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("DELETE", "/v1/counts/a", 405, "method_not_allowed"),
    ],
)
async def test_every_failure_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, slug: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:everloop:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_fields_of_a_refusal_are_told(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/counts/none")

    assert answer.json()["fields"] == {"key": "none"}
    assert answer.json()["detail"] == "count not found: key=none"


async def test_large_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/bodies", content=b"x" * 1001)

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_large_body_of_untold_length_is_refused(client: httpx.AsyncClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    answer = await client.post("/v1/bodies", content=drip())

    assert answer.status_code == 413


async def test_answers_do_not_wait_for_the_client_to_acknowledge_their_first_piece(client: httpx.AsyncClient) -> None:
    took = [(await client.get("/v1/counts/a")).elapsed.total_seconds() for _ in range(20)]

    # A delayed acknowledgement takes 40 ms; a busy machine does not take that long every time.
    assert min(took) < 0.03
