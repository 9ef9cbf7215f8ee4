"""HTTP: the same edge for every service. Errors are problem+json (RFC 9457), whatever went wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from services.chassis.edge import MOUNT
from services.chassis.errors import EverloopError, MalformedError, RejectedError, TransientError
from services.chassis.logs import Log
from services.chassis.work import Transaction, Work

PROBLEM = "application/problem+json"
READING = frozenset({"GET", "HEAD", "OPTIONS"})

log = Log(__name__)

Check = Callable[[], Awaitable[Mapping[str, str]]]
"""Says what is not ready: its name and why; nothing when all is well."""


async def _transaction(request: Request) -> AsyncIterator[Transaction]:
    work: Work | None = getattr(request.app.state, "work", None)
    if work is None:
        raise TransientError("service_starting")
    async with work.transaction(write=request.method not in READING) as transaction:
        yield transaction


Tx = Annotated[Transaction, Depends(_transaction, scope="function")]
"""The request's transaction: commits before the answer is sent, so that a 2xx is never taken back."""


def create_app(service: str, *, router: APIRouter | None, check: Check, routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """Build a service's HTTP side: health, its own routes under /v1, OpenAPI, and problem+json for every error.

    Routes can be used once ``app.state.work`` is set.
    """
    app = FastAPI(title=f"Everloop {service}", version="1", redoc_url=None)
    app.include_router(_health(check))
    if router:
        app.include_router(router, prefix=MOUNT)
    # First, for FastAPI looks at each of its own, one after the other.
    app.router.routes[:0] = routes
    app.add_exception_handler(EverloopError, _on_everloop_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)
    return app


def problem(
    status: int, slug: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Write an RFC 9457 problem."""
    content = {
        "type": f"urn:everloop:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(content, status, dict(headers or {}), media_type=PROBLEM)


def _health(check: Check) -> APIRouter:
    health = APIRouter(prefix="/health", tags=["health"])

    @health.get("/live")
    async def live() -> dict[str, str]:
        """Tell that the process runs."""
        return {"status": "live"}

    @health.get("/ready")
    async def ready() -> JSONResponse:
        """Tell whether the service can do its work now, or what is missing."""
        missing = await check()
        if missing:
            return problem(503, "not_ready", "; ".join(f"{name}: {why}" for name, why in missing.items()))
        return JSONResponse({"status": "ready"})

    return health


async def _on_everloop_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EverloopError)
    fields = {name: str(value) for name, value in error.fields.items()}
    match error:
        case RejectedError() if error.slug.endswith("_not_found"):
            return problem(404, error.slug, str(error), fields=fields)
        case RejectedError():
            return problem(422 if "field" in error.fields else 409, error.slug, str(error), fields=fields)
        case MalformedError():
            return problem(400, error.slug, str(error), fields=fields)
        case TransientError():
            return problem(503, error.slug, str(error), headers={"Retry-After": "1"}, fields=fields)
        case _:
            return await _on_bug(request, error)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"at": ".".join(map(str, fault["loc"])), "detail": fault["msg"]} for fault in error.errors()]
    detail = "; ".join(f"{fault['at']}: {fault['detail']}" for fault in faults)
    return problem(422, "invalid_request", detail, faults=faults)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    return problem(error.status_code, slug, str(error.detail), headers=error.headers)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", method=request.method, path=request.url.path, error=type(error).__name__)
    return problem(500, "internal_error", "the service failed; its log tells why")
