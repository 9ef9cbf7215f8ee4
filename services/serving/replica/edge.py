"""What every HTTP face of a replica shares: plain Starlette, and errors in the words of the path that was asked.

``/v2`` speaks the Open Inference Protocol, whose errors are ``{"error": ...}``; ``/v1`` is for people and speaks
problem+json (RFC 9457). Serve gives a model one prefix, ``/v2/models/<name>``, so that the ingress hands over
``/v1/models/<name>/...`` as ``/v2/models/<name>/v1/...``.
"""

import re
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
from services.serving.haproxy import problem
from services.serving.replica.errors import MODEL_FAILED, RequestError, log_bug
from services.serving.replica.openapi import PROBLEM
from services.serving.replica.v2 import JSON

HANDED_OVER = re.compile(r"^/v2/models/([^/]+)/v1(?=/|$)")

log = Log(__name__)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def application(routes: list[Route], lifespan: Lifespan | None) -> Starlette:
    """Make an application whose every error is in the words of its path."""
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


def answer(
    content: Mapping[str, Any], status: int = 200, *, media_type: str = JSON, retry_after_s: int | None = None
) -> Response:
    """Write a JSON answer."""
    headers = {"retry-after": str(retry_after_s)} if retry_after_s else None
    return Response(orjson.dumps(content), status, headers, media_type)


def refusal(path: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Say what is wrong, as the path's clients expect it."""
    if asked_path(path).startswith("/v1/"):
        refused = answer(problem(status, message), status, media_type=PROBLEM)
    else:
        refused = answer({"error": message}, status)
    refused.headers.update(headers or {})
    return refused


def asked_path(path: str) -> str:
    """Give the path as the client asked it, before the ingress handed it over."""
    return HANDED_OVER.sub(r"/v1/models/\1", path)


def refusal_of(error: RequestError, path: str) -> Response:
    """Say why a request is not answered."""
    headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
    return refusal(path, error.status, str(error), headers)


def failure(error: Exception, path: str) -> Response:
    """Log a bug, of ours or of the model, and tell the caller nothing of its insides."""
    log_bug(log, "prediction failed", error, path=asked_path(path))
    return refusal(path, 500, MODEL_FAILED)


async def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return refusal_of(error, request.url.path)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    return refusal(path, error.status_code, f"{asked_path(path)}: {error.detail}", error.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    return failure(error, request.url.path)
