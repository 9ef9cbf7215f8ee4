"""The Ray Serve deployments: one per model, and the front door. Shells; what they do stands in other modules.

Ray sees one deployment per model for good. Which versions it holds and which of them answers is no concern of
Ray's: a change of version changes no deployment, so that no replica is replaced and no request waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from ray import serve
from starlette.applications import Starlette
from starlette.types import ASGIApp

from contracts.model import Contract
from services.chassis.bus import connect
from services.chassis.logs import LogFormat, set_up_logs
from services.chassis.telemetry import Telemetry
from services.serving.board import BusBoard
from services.serving.ports import Board
from services.serving.replica.answering import Answering
from services.serving.replica.door import Door
from services.serving.replica.following import Follower, ReplicaSettings, Speaker, load
from services.serving.replica.http import Inference
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.shelf import Shelf

DRAIN_TIMEOUT_S = 10.0


class DoorSettings(Contract):
    """What the service tells the door at its start."""

    nats_url: str
    nats_ca_file: Path | None = None
    log_level: str = "info"
    log_format: LogFormat = LogFormat.TEXT


@serve.deployment(name="replica")
@serve.ingress()
class Replica:
    """The Serve deployment."""

    def __init__(self, settings: ReplicaSettings) -> None:
        set_up_logs("serving", level=settings.log_level, format=settings.log_format)
        self._settings = settings
        self._alive = True
        self._telemetry = Telemetry("serving", otlp_endpoint=settings.otlp_endpoint)
        self._speaker = Speaker(self._telemetry)
        name = serve.get_replica_context().replica_id.unique_id
        self._predictions = PredictionLog(
            self._speaker,
            pipeline=settings.pipeline,
            replica=name,
            capacity_rows=settings.log_capacity_rows,
            flush_s=settings.log_flush_s,
        )
        self._shelf = Shelf(lambda desired, difference: load(settings, desired, difference))
        self._follower = Follower(settings.pipeline, name, self._shelf, self._predictions)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Make the application Serve hands requests to."""
        settings = self._settings
        answering = Answering(
            settings.pipeline,
            self._shelf,
            self._predictions,
            self._telemetry,
            inline_rows=settings.inline_rows,
            trace_ratio=settings.trace_ratio,
        )
        return Inference(answering, max_request_bytes=settings.max_request_bytes).app(self._lifespan)

    def check_health(self) -> None:
        """Tell Serve to replace this replica if it no longer follows the board."""
        if not self._alive:
            raise RuntimeError("the replica no longer follows what is desired; its log tells why")

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Follow the board; Serve sends requests only once what should answer does."""
        try:
            async with AsyncExitStack() as stack:
                settings = self._settings
                bus = await stack.enter_async_context(
                    connect(settings.nats_url, name=f"replica of {settings.pipeline}", ca_file=settings.nats_ca_file)
                )
                board = BusBoard(bus)
                self._speaker.bus = bus
                changes = await stack.enter_async_context(board.changes())
                async with asyncio.TaskGroup() as tasks:
                    running = [
                        tasks.create_task(self._follower.follow(board, changes)),
                        tasks.create_task(self._follower.tell(board)),
                        tasks.create_task(self._predictions.run()),
                    ]
                    await self._follower.ready.wait()
                    yield
                    await self._predictions.drain(DRAIN_TIMEOUT_S)
                    for task in running:
                        task.cancel()
                await board.withdraw(self._follower.report())
        finally:
            self._alive = False
            await asyncio.to_thread(self._telemetry.close)


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
    """Bind a model's deployment to its settings; Serve imports this by name."""
    return Replica.bind(ReplicaSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator


def build_door(args: dict[str, Any]) -> serve.Application:
    """Bind the front door to its settings; Serve imports this by name."""
    return DoorReplica.bind(DoorSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator
