"""The HTTP face of one model: the Open Inference Protocol on plain Starlette. No pydantic on the way of a request."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import numpy as np
import orjson
from numpy.typing import NDArray
from opentelemetry.trace import Span, SpanKind
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import telemetry as names
from contracts.message import utc_now
from everloop.bundle.rows import InputError
from services.chassis.logs import Log
from services.chassis.telemetry import Telemetry, context_from, context_of
from services.serving.replica.prediction_log import Answered, PredictionLog
from services.serving.replica.protocol import (
    BINARY_HEADER,
    InferRequest,
    ProtocolError,
    model_metadata,
    render,
)
from services.serving.replica.shelf import LoadedVersion, Shelf

VERSION_HEADER = "everloop-model-version"
RETRY_AFTER_S = 1

log = Log(__name__)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request."""

    max_request_bytes: int
    inline_rows: int
    trace_ratio: float = 0.0


class Inference:
    """Answers requests from the versions on a shelf."""

    def __init__(
        self,
        model: str,
        shelf: Shelf,
        log: PredictionLog,
        telemetry: Telemetry,
        limits: Limits,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._model = model
        self._shelf = shelf
        self._log = log
        self._telemetry = telemetry
        self._limits = limits
        self._clock = clock

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
        chosen = self._chosen(request)
        return answer(model_metadata(self._model, self._shelf.versions, chosen.signature))

    async def ready(self, request: Request) -> Response:
        """Tell whether the model, or one version, would answer."""
        try:
            self._chosen(request)
        except ProtocolError as error:
            return answer({"name": self._model, "ready": False, "error": str(error)}, error.status)
        return answer({"name": self._model, "ready": True})

    async def infer(self, request: Request) -> Response:
        """Score rows."""
        chosen = self._chosen(request)
        body = await _body(request, self._limits.max_request_bytes)
        asked = chosen.reader.read(body)
        with self._span(request.headers.get("traceparent"), chosen.version, asked.rows) as span:
            scores = await self._scores(chosen, asked)
            served_at = self._clock()
            request_id = uuid4().hex
            answered = Answered(
                version=chosen.version,
                prediction_ids=[f"{request_id}-{row}" for row in range(asked.rows)],
                event_times=asked.event_times or [served_at] * asked.rows,
                served_at=served_at,
                inputs=asked.columns,
                scores=scores.tolist(),
                traceparent=context_of(span) if span else None,
                size_bytes=len(body),
            )
            self._log.add(answered)
        content = render(
            asked,
            model=self._model,
            version=chosen.version,
            scores=answered.scores,
            prediction_ids=answered.prediction_ids,
        )
        return Response(content, headers={VERSION_HEADER: str(chosen.version)}, media_type="application/json")

    def _chosen(self, request: Request) -> LoadedVersion:
        wanted = request.path_params.get("version")
        if wanted is None:
            if self._shelf.answering is None:
                raise ProtocolError(503, f"no version of {self._model} answers yet", retry_after_s=RETRY_AFTER_S)
            return self._shelf.answering
        found = self._shelf.version(int(wanted)) if wanted.isascii() and wanted.isdigit() else None
        if found is None:
            raise ProtocolError(404, f"version {wanted} of {self._model} is not held here")
        return found

    async def _scores(self, chosen: LoadedVersion, asked: InferRequest) -> NDArray[np.float64]:
        try:
            if asked.rows <= self._limits.inline_rows:
                scores = chosen.predict(asked.columns)
            else:
                scores = await asyncio.to_thread(chosen.predict, asked.columns)
        except InputError as error:
            raise ProtocolError(400, str(error)) from error
        if not np.isfinite(scores).all():
            raise ProtocolError(500, f"version {chosen.version} gave a score that is no number")
        return scores

    @contextmanager
    def _span(self, traceparent: str | None, version: int, rows: int) -> Iterator[Span | None]:
        if not traceparent and random.random() >= self._limits.trace_ratio:  # noqa: S311  # sampling, not secrets
            yield None
            return
        attributes: dict[str, str | int] = {
            names.PIPELINE: self._model,
            names.MODEL_VERSION: version,
            names.PREDICTION_ROWS: rows,
        }
        with self._telemetry.tracer.start_as_current_span(
            "predict", context_from(traceparent), SpanKind.SERVER, attributes
        ) as span:
            yield span


def application(routes: list[Route], lifespan: Lifespan | None) -> Starlette:
    """Make an application whose every error is the protocol's error object."""
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        ProtocolError: _on_protocol_error,
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
        raise ProtocolError(400, "binary tensors are not taken; send JSON")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise ProtocolError(413, f"the body is larger than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


async def _on_protocol_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProtocolError)
    headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
    return answer({"error": str(error)}, error.status, headers=headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer({"error": f"{request.url.path}: {error.detail}"}, error.status_code, headers=error.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("prediction failed", path=request.url.path, error=type(error).__name__)
    return answer({"error": "the model failed; the log of the replica tells why"}, 500)
