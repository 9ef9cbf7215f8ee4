"""The HTTP face of one model: the Open Inference Protocol on plain Starlette. No pydantic on the way of a request."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.logs import Log
from services.serving.replica.answering import Answering
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import BINARY_HEADER, model_metadata, render

VERSION_HEADER = "everloop-model-version"
ROUTING_KEY_HEADER = "everloop-routing-key"
"""Requests of one key are answered by one version while traffic is split between two."""

log = Log(__name__)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Inference:
    """One model over HTTP."""

    def __init__(self, answering: Answering, *, max_request_bytes: int) -> None:
        self._answering = answering
        self._model = answering.model
        self._max_request_bytes = max_request_bytes

    def app(self, lifespan: Lifespan | None = None) -> ASGIApp:
        """Make the application; it serves full protocol paths, wherever it is mounted."""
        base = f"/v2/models/{self._model}"
        routes = [
            Route(base, self.metadata),
            Route(f"{base}/ready", self.ready),
            Route(f"{base}/infer", self.infer, methods=["POST"]),
            Route(f"{base}/versions/{{version}}", self.metadata),
            Route(f"{base}/versions/{{version}}/ready", self.ready),
            Route(f"{base}/versions/{{version}}/infer", self.infer, methods=["POST"]),
        ]
        return unmounted(application(routes, lifespan))

    async def metadata(self, request: Request) -> Response:
        """Describe the model or one version."""
        chosen = self._answering.choose(request.path_params.get("version"))
        return answer(model_metadata(self._model, self._answering.shelf.versions, chosen.signature))

    async def ready(self, request: Request) -> Response:
        """Tell whether the model, or one version, would answer."""
        try:
            self._answering.choose(request.path_params.get("version"))
        except RequestError as error:
            return answer({"name": self._model, "ready": False, "error": str(error)}, error.status)
        return answer({"name": self._model, "ready": True})

    async def infer(self, request: Request) -> Response:
        """Score rows."""
        body = await _body(request, self._max_request_bytes)
        chosen = self._answering.choose(
            request.path_params.get("version"), routing_key=request.headers.get(ROUTING_KEY_HEADER)
        )
        asked = chosen.reader.read(body)
        answered = await self._answering.answer(chosen, asked.question, traceparent=request.headers.get("traceparent"))
        content = render(asked, answered, model=self._model)
        return Response(content, headers={VERSION_HEADER: str(answered.version)}, media_type="application/json")


def application(routes: list[Route], lifespan: Lifespan | None) -> Starlette:
    """Make an application whose every error is the protocol's error object."""
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        RequestError: _on_request_error,
        HTTPException: _on_http_error,
        Exception: _on_bug,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    # The redirect of Starlette would answer a POST with one trailing slash too many by a GET elsewhere.
    app.router.redirect_slashes = False
    return app


def unmounted(app: ASGIApp) -> ASGIApp:
    """Let an application see the full path, although Serve mounts it below its route prefix."""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": ""}, receive, send)

    return whole


def answer(content: Mapping[str, Any], status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Write a JSON answer."""
    return Response(orjson.dumps(content), status, headers, "application/json")


async def _body(request: Request, max_bytes: int) -> bytes:
    if BINARY_HEADER in request.headers:
        raise RequestError(400, "binary tensors are not taken; send JSON")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise RequestError(413, f"the body is larger than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


async def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
    return answer({"error": str(error)}, error.status, headers=headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer({"error": f"{request.url.path}: {error.detail}"}, error.status_code, headers=error.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("prediction failed", path=request.url.path, error=type(error).__name__)
    return answer({"error": "the model failed; the log of the replica tells why"}, 500)
