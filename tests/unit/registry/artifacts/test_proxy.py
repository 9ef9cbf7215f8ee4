"""What clients without access to the store find at the proxy."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from services.chassis.http import create_app
from services.registry.artifacts.domain import Holder
from services.registry.artifacts.ports import Holders
from services.registry.artifacts.store import StoredArtifacts
from services.registry.mlflow.artifacts import artifact_routes
from services.registry.mlflow.edge import mlflow_routes

MIB = 1024 * 1024
ROOT = "/api/2.0/mlflow-artifacts/artifacts"


async def ready() -> dict[str, str]:
    return {}


class OneVersion:
    """Knows one version, which has its files in one directory."""

    def __init__(self, directory: str, *, decided: bool) -> None:
        self._directory = directory
        self._version = Holder("trees", 1, decided=decided)

    async def above(self, path: str) -> list[Holder]:
        return [self._version] if f"{path}/".startswith(f"{self._directory}/") else []

    async def below(self, path: str) -> list[Holder]:
        return [self._version] if self._directory.startswith(f"{path}/") else []

    @asynccontextmanager
    async def transaction(self, *, write: bool) -> AsyncIterator["OneVersion"]:
        """Be what opens transactions, too."""
        assert not write
        yield self

    def port(self, protocol: type[object]) -> "OneVersion":
        """Be the only port there is."""
        assert protocol is Holders
        return self


def proxy_of(folder: Path) -> FastAPI:
    routes = mlflow_routes(*artifact_routes(StoredArtifacts(str(folder))))
    app = create_app("registry", router=None, routes=routes, check=ready)
    app.state.work = OneVersion("0/registered/artifacts/model", decided=False)
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the proxy keeps artifacts, with a link that leads out of it."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    return folder


@pytest.fixture
def app(folder: Path) -> FastAPI:
    return proxy_of(folder)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry/api/2.0/mlflow-artifacts") as client:
        yield client


async def test_files_come_back_as_they_were_put(client: httpx.AsyncClient, folder: Path) -> None:
    assert (await client.put("/artifacts/0/run/artifacts/a%20b/plot.html", content=b"<p>")).json() == {}

    answer = await client.get("/artifacts/0/run/artifacts/a%20b/plot.html")

    assert answer.content == b"<p>"
    assert answer.headers["content-length"] == "3"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''plot.html"
    assert (folder / "0" / "run" / "artifacts" / "a b" / "plot.html").read_bytes() == b"<p>"
    await client.put("/artifacts/0/run/artifacts/a%20b/plot.html", content=b"")
    assert (await client.get("/artifacts/0/run/artifacts/a%20b/plot.html")).content == b""


async def test_directories_are_listed_one_level_at_a_time(client: httpx.AsyncClient) -> None:
    for name in ("b.txt", "a/deep/c", "a/d"):
        await client.put(f"/artifacts/0/{name}", content=b"xy")

    listed = (await client.get("/artifacts", params={"path": "0"})).json()

    assert listed == {
        "files": [{"path": "a", "is_dir": True}, {"path": "b.txt", "is_dir": False, "file_size": 2}],
    }
    for nothing in ("0/b.txt", "0/nowhere"):
        assert (await client.get("/artifacts", params={"path": nothing})).json() == {}


async def test_deleting_takes_a_file_or_a_directory(client: httpx.AsyncClient, folder: Path) -> None:
    for name in ("a/b", "a/c", "d", "e"):
        await client.put(f"/artifacts/0/{name}", content=b"x")

    for gone in ("0/a/", "0/d", "0/never"):
        assert (await client.delete(f"/artifacts/{gone}")).json() == {}

    assert [path.name for path in (folder / "0").iterdir()] == ["e"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("0/nowhere", "RESOURCE_DOES_NOT_EXIST"), ("0/a", "INVALID_PARAMETER_VALUE")],
)
async def test_what_is_no_file_cannot_be_got(client: httpx.AsyncClient, path: str, code: str) -> None:
    await client.put("/artifacts/0/a/b", content=b"x")

    answer = await client.get(f"/artifacts/{path}")

    assert answer.json()["error_code"] == code


@pytest.mark.parametrize("taken", ["0/a", "0/a/b/c"])
async def test_a_file_cannot_be_where_something_else_is(client: httpx.AsyncClient, taken: str) -> None:
    await client.put("/artifacts/0/a/b", content=b"x")

    answer = await client.put(f"/artifacts/{taken}", content=b"y")

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert (await client.get("/artifacts/0/a/b")).content == b"x"


@pytest.mark.parametrize(
    "gone", ["0/registered/artifacts/model/MLmodel", "0/registered/artifacts/model", "0/registered"]
)
async def test_a_version_keeps_its_files(client: httpx.AsyncClient, gone: str) -> None:
    await client.put("/artifacts/0/registered/artifacts/model/MLmodel", content=b"flavors")

    answer = await client.delete(f"/artifacts/{gone}")

    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert "version=trees/1" in answer.json()["message"]
    assert (await client.get("/artifacts/0/registered/artifacts/model/MLmodel")).content == b"flavors"
    assert (await client.delete("/artifacts/0/registered/artifacts/plot.png")).json() == {}


async def test_what_was_decided_about_stays_as_it_was_then(app: FastAPI, client: httpx.AsyncClient) -> None:
    model = "/artifacts/0/registered/artifacts/model"
    await client.put(f"{model}/MLmodel", content=b"flavors")
    app.state.work = OneVersion("0/registered/artifacts/model", decided=True)

    answers = [await client.put(f"{model}/{name}", content=b"other") for name in ("MLmodel", "code/new.py")]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert (await client.get(f"{model}/MLmodel")).content == b"flavors"
    assert (await client.put("/artifacts/0/registered/artifacts/plot.png", content=b"x")).json() == {}


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "",
        "%2Fetc%2Fpasswd",
        "0/%2e%2e/%2e%2e/secret",
        "%252e%252e%252fsecret",
        "0/a%00",
        "0/a%5c..%5cb",
        "0/a%23b",
        "0/a%3Fb",
        "0/a?b",
        "out/secret",
    ],
)
async def test_nobody_gets_out(client: httpx.AsyncClient, folder: Path, verb: str, path: str) -> None:
    secret = folder.parent / "secret"
    secret.write_text("kept")
    await client.put("/artifacts/0/a", content=b"kept")

    answer = await client.request(verb, f"/artifacts/{path}")

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert secret.read_text() == (folder / "0" / "a").read_text() == "kept"


@pytest.mark.parametrize("path", ["..", "%2e%2e", "/etc", "out"])
async def test_nobody_looks_out(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get("/artifacts", params={"path": path})

    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_what_was_decided_about_during_an_upload_stays_too(app: FastAPI, client: httpx.AsyncClient) -> None:
    model = "/artifacts/0/registered/artifacts/model/MLmodel"
    await client.put(model, content=b"flavors")

    async def slowly() -> AsyncIterator[bytes]:
        yield b"other "
        app.state.work = OneVersion("0/registered/artifacts/model", decided=True)
        yield b"flavors"

    assert (await client.put(model, content=slowly())).status_code == 403
    assert (await client.get(model)).content == b"flavors"


async def test_clients_are_told_to_upload_in_one_piece(client: httpx.AsyncClient) -> None:
    answer = await client.post("/mpu/create/0/run/artifacts", json={"path": "a", "num_parts": 2})

    assert answer.status_code == 501
    assert answer.json()["message"] == "Multipart upload is not supported for the current artifact repository"


async def test_an_upload_that_breaks_off_leaves_nothing(folder: Path) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"x" * 2 * MIB, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        pass

    await proxy_of(folder)(_request("PUT", f"{ROOT}/0/model.bin"), receive, send)

    assert list((folder / "0").iterdir()) == []


async def test_files_pass_without_being_in_memory(folder: Path) -> None:
    pieces, received = 512, 0
    left = pieces

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(MIB // 16), "more_body": left > 0}

    async def send(message: Message) -> None:
        nonlocal received
        received += len(message.get("body", b""))

    app = proxy_of(folder)
    gc.collect()
    tracemalloc.start()
    try:
        await app(_request("PUT", f"{ROOT}/0/model.bin"), receive, send)
        await app(_request("GET", f"{ROOT}/0/model.bin"), _nothing, send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    size_bytes = pieces * MIB // 16
    assert (folder / "0" / "model.bin").stat().st_size == size_bytes
    assert received >= size_bytes
    assert peak < size_bytes / 4


async def _nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def _request(verb: str, path: str) -> dict[str, object]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": verb,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"registry")],
        "server": ("registry", 80),
    }


async def test_malformed_credentials_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.put("/artifacts/0/a.txt", content=b"a", headers={"Authorization": "Basic czNjcmV0"})

    assert answer.json()["error_code"] == "UNAUTHENTICATED"
    assert (await client.get("/artifacts/0/a.txt")).status_code == 404
