"""What anybody finds where MLflow's protocol is mounted."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.chassis.http import create_app
from services.registry.mlflow.edge import SPOKEN, mlflow_routes


async def ready() -> dict[str, str]:
    return {}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("registry", router=None, routes=mlflow_routes(), check=ready)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as client:
        yield client


async def test_clients_find_a_server_of_a_version(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).text == "OK"
    assert (await client.get("/version")).text == SPOKEN


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/traces", "/api/5.0/what", "/ajax-api/2.0/mlflow/metrics"])
async def test_what_is_not_spoken_is_said_in_the_protocols_words(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={})

    assert answer.status_code == 404
    assert answer.json() == {"error_code": "ENDPOINT_NOT_FOUND", "message": f"POST {path} is not spoken."}


async def test_other_paths_answer_as_every_service_does(client: httpx.AsyncClient) -> None:
    answer = await client.get("/apis")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get("/health/ready")).json() == {"status": "ready"}


async def test_malformed_credentials_are_answered_as_mlflows_server_does(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/2.0/mlflow/runs/get?run_id=1", headers={"Authorization": "Basic czNjcmV0"})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
