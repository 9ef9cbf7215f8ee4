"""Where MLflow's protocol is mounted. Whatever else is asked for there gets MLflow's error."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from services.registry.mlflow import (
    aliases,
    artifact_lists,
    experiments,
    logged_models,
    logging,
    metrics,
    model_versions,
    registered_models,
    runs,
    search,
    search_models,
)
from services.registry.mlflow.calls import Method, failure, routes
from services.registry.mlflow.errors import Code, MlflowError

SPOKEN = "3.17.2"
"""The MLflow release whose protocol is spoken."""
METHODS: tuple[Method, ...] = (
    *experiments.METHODS,
    *runs.METHODS,
    *logging.METHODS,
    *metrics.METHODS,
    *search.METHODS,
    *search_models.METHODS,
    *artifact_lists.METHODS,
    *logged_models.METHODS,
    *registered_models.METHODS,
    *model_versions.METHODS,
    *aliases.METHODS,
)
ABILITIES = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
    "presigned_upload_run_id_supported": False,
    "presigned_upload_model_id_supported": False,
    "features_enabled": {"gateway": False},
}
"""What clients ask about before they try it."""


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
        *(Route(f"{root}/3.0/mlflow/server-info", _server_info) for root in ("/api", "/ajax-api")),
        *(Mount(root, routes=below) for root in ROOTS),
        Route("/api/{path:path}", _unknown, methods=_ANY),
        Route("/ajax-api/{path:path}", _unknown, methods=_ANY),
    )


_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def _health(request: Request) -> Response:
    return PlainTextResponse("OK")


async def _version(request: Request) -> Response:
    return PlainTextResponse(SPOKEN)


async def _server_info(request: Request) -> Response:
    return JSONResponse(ABILITIES)


async def _unknown(request: Request) -> Response:
    return failure(request, MlflowError(Code.ENDPOINT_NOT_FOUND, f"{request.method} {request.url.path} is not spoken."))
