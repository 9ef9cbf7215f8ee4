"""The front door: what the Open Inference Protocol says of the server as a whole, and of paths nobody serves.

Serve picks an application by the longest prefix of the path. Each model has ``/v2/models/<name>``; everything
else comes here.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ray import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from contracts.model import Contract
from services.chassis.bus import connect
from services.chassis.errors import TransientError
from services.chassis.logs import LogFormat, set_up_logs
from services.serving.board import BusBoard
from services.serving.inference import Lifespan, answer, application
from services.serving.ports import Board
from services.serving.protocol import ProtocolError


class DoorSettings(Contract):
    """What the service tells the door at its start."""

    nats_url: str
    nats_ca_file: Path | None = None
    log_level: str = "info"
    log_format: LogFormat = LogFormat.TEXT


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
            Route("/v2/models/{model}", self.unknown_model, methods=["GET", "POST"]),
            Route("/v2/models/{model}/{rest:path}", self.unknown_model, methods=["GET", "POST"]),
        ]
        return application(routes, lifespan)

    async def metadata(self, request: Request) -> Response:
        """Describe the server."""
        return answer({"name": "everloop", "version": version("everloop"), "extensions": []})

    async def live(self, request: Request) -> Response:
        """Tell that the server runs."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Response:
        """Tell whether every model that should answer does."""
        return answer({"ready": True}) if await self._all_answer() else answer({"ready": False}, 503)

    async def unknown_model(self, request: Request) -> Response:
        """Refuse what no application serves."""
        raise ProtocolError(404, f"no model {request.path_params['model']!r} is served here")

    async def _all_answer(self) -> bool:
        board = self._board()
        if board is None:
            return False
        try:
            for desired in await board.all_desired():
                answering = {report.answering for report in await board.reports(desired.pipeline)}
                if desired.answering is not None and desired.answering not in answering:
                    return False
        except TransientError:
            return False
        return True


@serve.deployment(name="door")
@serve.ingress()
class DoorReplica:
    """The Serve deployment."""

    def __init__(self, settings: DoorSettings) -> None:
        set_up_logs("serving", level=settings.log_level, format=settings.log_format)
        self._settings = settings
        self._board: Board | None = None

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Make the application Serve hands requests to."""
        return Door(lambda: self._board).app(self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        async with connect(settings.nats_url, name="front door", ca_file=settings.nats_ca_file) as bus:
            self._board = BusBoard(bus)
            yield
            self._board = None


def build(args: dict[str, Any]) -> serve.Application:
    """Bind the deployment to its settings; Serve imports this by name."""
    return DoorReplica.bind(DoorSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator
