"""Where MLflow's protocol is mounted. Whatever else is asked for there gets MLflow's error."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from services.registry.mlflow.calls import Method, failure, routes
from services.registry.mlflow.errors import Code, MlflowError

SPOKEN = "3.17.2"
"""The MLflow release whose protocol is spoken."""
METHODS: tuple[Method, ...] = ()


ROOTS = "/api/2.0", "/ajax-api/2.0"


def mlflow_routes(*streams: BaseRoute) -> tuple[BaseRoute, ...]:
    """Make the routes that MLflow's clients ask for.

    Args:
        streams: Those whose bodies are not JSON, but read and written piece by piece.
    """
    below = [*routes(METHODS), *streams, Route("/{path:path}", _unknown, methods=_ANY)]
    return (
        Route("/health", _health),
        Route("/version", _version),
        *(Mount(root, routes=below) for root in ROOTS),
        Route("/api/{path:path}", _unknown, methods=_ANY),
        Route("/ajax-api/{path:path}", _unknown, methods=_ANY),
    )


_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def _health(request: Request) -> Response:
    return PlainTextResponse("OK")


async def _version(request: Request) -> Response:
    return PlainTextResponse(SPOKEN)


async def _unknown(request: Request) -> Response:
    return failure(request, MlflowError(Code.ENDPOINT_NOT_FOUND, f"{request.method} {request.url.path} is not spoken."))
