"""The Ray Serve deployments: one per model, and the front door. Shells; what they do stands in other modules.

Ray sees one deployment per model for good. Which versions it holds and which of them answers is no concern of
Ray's: a change of version changes no deployment, so that no replica is replaced and no request waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import Field
from ray import serve
from starlette.applications import Starlette
from starlette.types import ASGIApp

from contracts.model import Contract
from services.chassis.bus import connect
from services.chassis.logs import LogFormat, set_up_logs
from services.chassis.telemetry import Telemetry
from services.serving.board import BusBoard
from services.serving.ingress import LARGEST_MESSAGE_BYTES
from services.serving.ports import Board
from services.serving.replica import room, straight
from services.serving.replica.answering import Answering
from services.serving.replica.batching import Limits
from services.serving.replica.door import Door
from services.serving.replica.following import Follower, ReplicaSettings, Speaker, load
from services.serving.replica.grpc_door import DoorFace, DoorMethods
from services.serving.replica.grpc_model import ModelFace, ModelMethods
from services.serving.replica.http import Inference
from services.serving.replica.lookup import Precomputed
from services.serving.replica.messages.serving import Messages
from services.serving.replica.messages.standing_in import LONGEST_WAKE_S, StandIn
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.room import Room
from services.serving.replica.shelf import Shelf
from services.serving.replica.straight import Entrance

DRAIN_TIMEOUT_S = 10.0
UNFIT_FOR_S = 60.0
"""How long another version may answer than the one that should: a store that is away for a moment is no reason."""


class DoorSettings(Contract):
    """What the service tells the door at its start."""

    nats_url: str
    nats_ca_file: Path | None = None
    log_level: str = "info"
    log_format: LogFormat = LogFormat.TEXT
    grpc_address: str = Field(description="Where the front takes gRPC.")
    front: str = Field(description="Where the front takes HTTP: a base URL.")
    max_request_bytes: int = LARGEST_MESSAGE_BYTES
    requests_at_once: int = 32


@serve.deployment(name="replica")
@serve.ingress()
class Replica(ModelMethods):
    """The Serve deployment."""

    def __init__(self, settings: ReplicaSettings) -> None:
        set_up_logs("serving", level=settings.log_level, format=settings.log_format)
        self._settings = settings
        self._alive = True
        self._telemetry = Telemetry("serving", otlp_endpoint=settings.otlp_endpoint)
        self._speaker = Speaker(self._telemetry)
        self._name = name = serve.get_replica_context().replica_id.unique_id
        self._predictions = PredictionLog(
            self._speaker,
            pipeline=settings.pipeline,
            replica=name,
            capacity_rows=settings.log_capacity_rows,
            capacity_bytes=settings.log_capacity_mib * 1024 * 1024,
            flush_s=settings.log_flush_s,
        )
        self._shelf = Shelf(
            lambda desired, difference: load(settings, desired, difference),
            budget_bytes=settings.memory_budget_mib * 1024 * 1024,
        )
        self._follower = Follower(settings.pipeline, name, self._shelf, self._predictions)
        self._precomputed = Precomputed(settings.pipeline, max_keys=settings.max_rows)
        self._follower.lookup_id = lambda: self._precomputed.id

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Make the application Serve hands requests to."""
        settings = self._settings
        answering = Answering(
            settings.pipeline,
            self._shelf,
            self._predictions,
            self._telemetry,
            trace_ratio=settings.trace_ratio,
            limits=Limits(
                rows=settings.batch_rows,
                wait_s=settings.batch_wait_ms / 1000,
                call_s=settings.batch_call_ms / 1000,
                request_timeout_s=settings.request_timeout_s,
            ),
            max_waiting_rows=settings.max_waiting_rows,
        )
        self._answering = answering
        self._follower.count_load = answering.load
        self._face = ModelFace(answering, max_request_bytes=settings.max_request_bytes)
        inference = Inference(
            answering,
            max_request_bytes=settings.max_request_bytes,
            request_timeout_s=settings.request_timeout_s,
            look_up=self._precomputed.answer,
        )
        app = inference.app(self._lifespan)
        room.here = Room(
            max_ongoing=settings.max_ongoing_requests,
            max_waiting=settings.max_queued_requests,
            largest_bytes=settings.max_request_bytes,
            patience_s=settings.request_timeout_s,
        )
        if not settings.scales:
            straight.entrance = Entrance(app, room.here)
        return app

    def check_health(self) -> None:
        """Tell Serve to replace this replica if it can't do its work."""
        if not self._alive:
            raise RuntimeError("the replica no longer follows what is desired; its log tells why")
        if self._shelf.unfit_s() > UNFIT_FOR_S:
            raise RuntimeError("the version that should answer does not load; the report of the replica tells why")
        if self._answering.hung_s() > self._settings.request_timeout_s:
            raise RuntimeError("the model does not return from a call")

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
                messages = Messages(
                    bus,
                    self._answering,
                    self._telemetry,
                    replica=self._name,
                    requests_at_once=settings.requests_at_once,
                    queued_at_once=settings.queued_at_once,
                    max_request_bytes=settings.max_request_bytes,
                )
                self._follower.count_messages = lambda: messages.counts
                ending = asyncio.Event()
                async with asyncio.TaskGroup() as tasks:
                    working = tasks.create_task(messages.run(ending))
                    running = [
                        tasks.create_task(self._follower.follow(board, changes)),
                        tasks.create_task(self._follower.tell(board)),
                        tasks.create_task(self._predictions.run()),
                        tasks.create_task(self._precomputed.run(board)),
                    ]
                    await self._follower.ready.wait()
                    yield
                    ending.set()
                    await asyncio.wait({working}, timeout=DRAIN_TIMEOUT_S)
                    working.cancel()
                    await self._predictions.drain(DRAIN_TIMEOUT_S)
                    for task in running:
                        task.cancel()
                await board.withdraw(self._follower.report())
        finally:
            self._alive = False
            await asyncio.to_thread(self._telemetry.close)


@serve.deployment(name="door")
@serve.ingress()
class DoorReplica(DoorMethods):
    """The Serve deployment."""

    def __init__(self, settings: DoorSettings) -> None:
        set_up_logs("serving", level=settings.log_level, format=settings.log_format)
        self._settings = settings
        self._board: Board | None = None

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Make the application Serve hands requests to."""
        door = Door(lambda: self._board)
        self._face = DoorFace(door.all_answer, self._settings.grpc_address)
        room.here = Room(largest_bytes=self._settings.max_request_bytes)
        return door.app(self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        async with (
            connect(settings.nats_url, name="front door", ca_file=settings.nats_ca_file) as bus,
            httpx.AsyncClient(base_url=settings.front, timeout=LONGEST_WAKE_S, trust_env=False) as front,
            asyncio.TaskGroup() as tasks,
        ):
            self._board = BusBoard(bus)
            stand_in = StandIn(bus, self._board, front, at_once=settings.requests_at_once)
            standing_in = tasks.create_task(stand_in.run())
            yield
            standing_in.cancel()
            self._board = None


def build(args: dict[str, Any]) -> serve.Application:
    """Bind a model's deployment to its settings; Serve imports this by name."""
    return Replica.bind(ReplicaSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator


def build_door(args: dict[str, Any]) -> serve.Application:
    """Bind the front door to its settings; Serve imports this by name."""
    return DoorReplica.bind(DoorSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator
