"""What surrounds every request: a span, a limit on the body, and headers that browsers obey."""

from collections.abc import Mapping
from http import HTTPStatus

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.telemetry import Telemetry, context_from

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
API_ONLY = "default-src 'none'; frame-ancestors 'none'"
MOUNT = "/v1"
"""Below which a service's own routes are."""

UNOBSERVED = ("/health/", "/docs", "/openapi.json")


class Edge:
    """An ASGI middleware, outermost.

    Args:
        app: What answers.
        telemetry: Records a span for each request.
        max_body_bytes: Of a request.
        max_bytes_below: The same where a path starts so; the first that fits counts.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        telemetry: Telemetry,
        max_body_bytes: int,
        max_bytes_below: Mapping[str, int],
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._max_body_bytes = max_body_bytes
        self._max_bytes_below = max_bytes_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(UNOBSERVED):
            await self._app(scope, receive, _secured(scope, send))
        else:
            await self._observed(scope, receive, send)

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        with self._telemetry.tracer.start_as_current_span(
            scope["method"],
            context_from(headers.get("traceparent")),
            SpanKind.SERVER,
            {"http.request.method": scope["method"], "url.path": scope["path"], "url.scheme": scope["scheme"]},
        ) as span:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if route := _route(scope):
                        span.update_name(f"{scope['method']} {route}")
                        span.set_attribute("http.route", route)
                await send(message)

            await self._app(scope, self._limited(scope["path"], headers, receive), _secured(scope, answer))

    def _limited(self, path: str, headers: Headers, receive: Receive) -> Receive:
        below = (limit for start, limit in self._max_bytes_below.items() if path.startswith(start))
        limit = next(below, self._max_body_bytes)
        received = 0

        async def read() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # The declared length is checked too, so that nothing of a body that is too large is taken in.
            if max(received, int(headers.get("content-length", "0") or 0)) > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {limit} bytes are read")
            return message

        return read


def _route(scope: Scope) -> str | None:
    # FastAPI tells a mounted route by its path below the mount in some versions, and by its whole path in others.
    path: str | None = getattr(scope.get("route"), "path", None)
    return path if path is None or path.startswith(MOUNT) else f"{MOUNT}{path}"


def _secured(scope: Scope, send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
            if not scope["path"].startswith("/docs"):
                headers.setdefault("Content-Security-Policy", API_ONLY)
        await send(message)

    return answer
