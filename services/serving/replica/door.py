"""The front door: what the Open Inference Protocol says of the server as a whole, and of paths nobody serves.

Serve picks an application by the longest prefix of the path. Each model has ``/v2/models/<name>``; everything
else comes here. Behind an ingress that hands nothing over, so do the paths of people, and are sent on.
"""

from collections.abc import Callable
from importlib.metadata import version
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.chassis.errors import TransientError
from services.serving.ports import Board
from services.serving.replica.edge import Lifespan, answer, application
from services.serving.replica.errors import RETRY_AFTER_S, RequestError
from services.serving.replica.protocol import EXTENSIONS


class Door:
    """Answers for the server as a whole."""

    def __init__(self, board: Callable[[], Board | None]) -> None:
        self._board = board

    def app(self, lifespan: Lifespan | None = None) -> ASGIApp:
        """Make the application."""
        routes = [
            Route("/v2", self.metadata),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/v1/models", self.models),
            Route("/v1/models/{model}", self.elsewhere, methods=["GET", "POST"]),
            Route("/v1/models/{model}/{rest:path}", self.elsewhere, methods=["GET", "POST"]),
            Route("/v2/models/{model}", self.unknown_model, methods=["GET", "POST"]),
            Route("/v2/models/{model}/{rest:path}", self.unknown_model, methods=["GET", "POST"]),
        ]
        return application(routes, lifespan)

    async def metadata(self, request: Request) -> Response:
        """Describe the server."""
        return answer({"name": "everloop", "version": version("everloop"), "extensions": EXTENSIONS})

    async def live(self, request: Request) -> Response:
        """Tell that the server runs."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Response:
        """Tell whether every model that should answer does."""
        if await self.all_answer():
            return answer({"ready": True})
        return answer({"ready": False}, 503, retry_after_s=RETRY_AFTER_S)

    async def models(self, request: Request) -> Response:
        """List the models that should answer, and with which version."""
        board = self._board()
        try:
            found = await board.all_desired() if board else ()
        except TransientError as error:
            raise RequestError(
                503, "which models there are is not known at the moment", retry_after_s=RETRY_AFTER_S
            ) from error
        return answer({"models": [{"model": one.pipeline, "version": one.answering} for one in found]})

    async def elsewhere(self, request: Request) -> Response:
        """Send the paths of people on to their model."""
        rest = request.path_params.get("rest")
        target = f"/v2/models/{quote(request.path_params['model'], safe='')}/v1{f'/{quote(rest)}' if rest else ''}"
        return RedirectResponse(f"{target}?{request.url.query}" if request.url.query else target, 307)

    async def unknown_model(self, request: Request) -> Response:
        """Refuse what no application serves."""
        raise RequestError(404, f"no model {request.path_params['model']!r} is served here")

    async def all_answer(self) -> bool:
        """Tell whether every model that should answer does."""
        board = self._board()
        if board is None:
            return False
        try:
            for desired in await board.all_desired():
                answering = {report.answering for report in await board.reports(desired.pipeline)}
                idle = desired.idle and not answering
                if desired.answering is not None and desired.answering not in answering and not idle:
                    return False
        except TransientError:
            return False
        return True
