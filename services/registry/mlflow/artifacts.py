"""The ``mlflow-artifacts`` proxy: clients list, get, put and delete files without access to the store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.registry.artifacts.domain import Artifact, check_delete, check_write, checked
from services.registry.artifacts.ports import Artifacts, Holders
from services.registry.mlflow.calls import JSON, failure, work_of
from services.registry.mlflow.errors import Code, MlflowError, refuse_value
from services.registry.mlflow.identity import claimed_by

ROOT = "/mlflow-artifacts/artifacts"
FILES_BELOW = f"{ROOT}/"
FILE = FILES_BELOW + "{path:path}"

Endpoint = Callable[[Request], Awaitable[Response]]


def artifact_routes(artifacts: Artifacts) -> tuple[Route, ...]:
    """Make the proxy's routes, to be mounted below ``/api/2.0``."""
    proxy = _Proxy(artifacts)
    return (
        Route(ROOT, _told(proxy.list), methods=["GET"]),
        Route(FILE, _told(proxy.get), methods=["GET"]),
        Route(FILE, _told(proxy.put), methods=["PUT"]),
        Route(FILE, _told(proxy.delete), methods=["DELETE"]),
        Route("/mlflow-artifacts/mpu/{path:path}", _told(_no_multipart), methods=["POST"]),
        Route("/mlflow-artifacts/presigned/{path:path}", _told(_no_multipart), methods=["GET"]),
    )


def shown(artifact: Artifact, directory: str = "") -> dict[str, Any]:
    """Render a file or a directory, its path beginning with the directory it was listed in."""
    path = f"{directory}/{artifact.name}" if directory else artifact.name
    if artifact.size_bytes is None:
        return {"path": path, "is_dir": True}
    return {"path": path, "is_dir": False, "file_size": artifact.size_bytes}


class _Proxy:
    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def list(self, request: Request) -> Response:
        found = await self._artifacts.list(request.query_params.get("path", ""))
        return _json({"files": [shown(artifact) for artifact in found]} if found else {})

    async def get(self, request: Request) -> Response:
        path = _path(request)
        found = await self._artifacts.find(path)
        if found is None:
            raise MlflowError(Code.RESOURCE_DOES_NOT_EXIST, f"No such artifact: '{path}'")
        if found.size_bytes is None:
            refuse_value(f"Artifact path refers to a directory, not a file: '{path}'")
        headers = {
            "Content-Length": str(found.size_bytes),
            # A browser must never run what somebody uploaded.
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        }
        kind = guess_type(found.name)[0] or "application/octet-stream"
        return StreamingResponse(self._artifacts.read(path), headers=headers, media_type=kind)

    async def put(self, request: Request) -> Response:
        path = _path(request)

        async def pieces() -> AsyncIterator[bytes]:
            await _may_write(path, request)
            async for piece in request.stream():
                yield piece
            # An upload takes its time, and a decision may have been made meanwhile.
            await _may_write(path, request)

        await self._artifacts.write(path, pieces())
        return _json({})

    async def delete(self, request: Request) -> Response:
        path = _path(request)
        async with work_of(request).transaction(write=False) as transaction:
            holders = transaction.port(Holders)
            check_delete(path, [*await holders.above(path), *await holders.below(path)])
        await self._artifacts.delete(path)
        return _json({})


def _told(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            claimed_by(request.headers.get("authorization"))  # nothing keeps it, yet what is malformed is refused
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except Exception as error:  # whatever happened, the client is told in its own protocol
            return failure(request, error)

    return answer


def _path(request: Request) -> str:
    path: str = request.path_params["path"]
    if not path.strip("/"):
        refuse_value("The path of a file is missing.")
    if request.url.query:
        # Clients send the name `a?b` as it is: without this, `a` would be read, written or deleted.
        refuse_value(f"Invalid path: '{path}?{request.url.query}'")
    return checked(path)


async def _may_write(path: str, request: Request) -> None:
    async with work_of(request).transaction(write=False) as transaction:
        check_write(path, await transaction.port(Holders).above(path))


async def _no_multipart(request: Request) -> Response:
    raise MlflowError(Code.NOT_IMPLEMENTED, "Multipart upload is not supported for the current artifact repository")


def _json(answer: dict[str, Any]) -> Response:
    return Response(orjson.dumps(answer), media_type=JSON)
