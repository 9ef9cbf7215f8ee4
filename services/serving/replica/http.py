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
from services.serving.replica.encodings import read_body
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import model_metadata
from services.serving.replica.v2 import infer

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
            Route(f"{base}/infer", self.infer, methods=["POST"]),
            Route(f"{base}/versions/{{version}}/infer", self.infer, methods=["POST"]),
            Route(base, self.metadata),
            Route(f"{base}/ready", self.ready),
            Route(f"{base}/versions/{{version}}", self.metadata),
            Route(f"{base}/versions/{{version}}/ready", self.ready),
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
        headers = request.headers
        body = await read_body(
            request,
            length=headers.get("content-length"),
            coding=headers.get("content-encoding"),
            max_bytes=self._max_request_bytes,
        )
        reply = await infer(self._answering, body, headers, request.path_params.get("version"))
        return Response(reply.body, headers=reply.headers)


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
