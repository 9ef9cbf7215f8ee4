"""One replica of one model: a Ray Serve deployment that follows the notice board and answers requests.

Ray sees one deployment per model for good. Which versions it holds and which of them answers is no concern of
Ray's: a change of version changes no deployment, so that no replica is replaced and no request waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import Field
from ray import serve
from starlette.applications import Starlette
from starlette.types import ASGIApp

from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES, seal
from contracts.message import utc_now
from contracts.model import Contract, PipelineName
from contracts.serving import PredictionsServed
from everloop.bundle.model import Model
from services.chassis.bus import MESSAGE_ID, Bus, connect
from services.chassis.errors import MalformedError, TransientError
from services.chassis.logs import Log, LogFormat, set_up_logs
from services.chassis.telemetry import Telemetry
from services.serving.board import BusBoard
from services.serving.desired import DesiredVersion, ReplicaReport
from services.serving.inference import Inference, Limits
from services.serving.ports import Board, Changes
from services.serving.prediction_log import PredictionLog
from services.serving.protocol import Reader
from services.serving.shelf import LoadedVersion, Shelf

SIGN_OF_LIFE_S = 1.0
LOOK_AGAIN_S = 2.0
DRAIN_TIMEOUT_S = 10.0

log = Log(__name__)


class ReplicaSettings(Contract):
    """What the service tells a replica at its start, as the arguments of its Serve application."""

    pipeline: PipelineName
    nats_url: str
    nats_ca_file: Path | None = None
    otlp_endpoint: str | None = None
    log_level: str = "info"
    log_format: LogFormat = LogFormat.TEXT
    code_dir: Path = Field(description="Where code snapshots are unpacked, by digest.")
    max_request_bytes: int
    max_rows: int
    inline_rows: int
    log_capacity_rows: int
    log_flush_s: float
    trace_ratio: float


class Follower:
    """Keeps one replica in step with the board for as long as it lives."""

    def __init__(self, pipeline: str, replica: str, shelf: Shelf, predictions: PredictionLog) -> None:
        self._pipeline = pipeline
        self._replica = replica
        self._shelf = shelf
        self._predictions = predictions
        self.ready = asyncio.Event()
        """Set once what should answer does, or nothing should yet."""

    def report(self) -> ReplicaReport:
        """Say what this replica is now."""
        counts = self._predictions.counts
        answering = self._shelf.answering
        return ReplicaReport(
            pipeline=self._pipeline,
            replica=self._replica,
            at=utc_now(),
            held=self._shelf.held,
            answering=answering.version if answering else None,
            logged=counts.logged,
            waiting=counts.waiting,
            lost=counts.lost,
        )

    async def follow(self, board: Board, changes: Changes) -> None:
        """Do what is desired, at every change and now and then, until cancelled."""
        while True:
            try:
                desired = await board.desired(self._pipeline)
                if desired is None or await self._shelf.follow(desired):
                    self.ready.set()
            except TransientError as error:
                log.warning("board can't be read", detail=str(error))
            await changes.wait(LOOK_AGAIN_S)

    async def tell(self, board: Board) -> None:
        """Report at every change and as a sign of life, until cancelled."""
        while True:
            self._shelf.changed.clear()
            try:
                await board.post_report(self.report())
            except TransientError as error:
                log.warning("report can't be posted", detail=str(error))
                await asyncio.sleep(SIGN_OF_LIFE_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(SIGN_OF_LIFE_S):
                    await self._shelf.changed.wait()


class Speaker:
    """Puts the prediction log's messages on the bus, once there is one."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.bus: Bus | None = None

    async def __call__(self, message: PredictionsServed, message_id: str) -> None:
        """Publish and wait until the stream has it."""
        if self.bus is None:
            raise TransientError("bus_unavailable", detail="not connected yet")
        # The message travels in the trace of the first answer in it that has one.
        traceparent = next((batch.traceparent for batch in message.batches if batch.traceparent), None)
        envelope = seal(message, message_id=message_id, source="serving", time=utc_now(), traceparent=traceparent)
        body = envelope.to_bytes()
        if len(body) > MAX_BODY_BYTES:
            raise MalformedError("message_too_large", size_bytes=len(body))
        headers = {MESSAGE_ID: message_id, "Content-Type": CONTENT_TYPE}
        if traceparent is None:
            await self.bus.publish(message.address(), body, headers=headers)
            return
        with self._telemetry.publishing(message.address(), message_id, len(body), traceparent) as carried:
            await self.bus.publish(message.address(), body, headers={**headers, **carried})


def load(settings: ReplicaSettings, desired: DesiredVersion, max_golden_difference: float) -> LoadedVersion:
    """Fetch a version, verify every digest, load it and ask it its golden requests.

    Raises:
        BundleError: A digest disagrees, the bundle is broken, or a golden answer differs.
        StorageError: A file can't be read.
    """
    model = Model.load(desired.bundle_uri, desired.bundle_digest, settings.code_dir)
    difference = model.check_golden(max_golden_difference)
    log.info("version loaded", version=desired.version, golden_difference=difference)
    event_time = model.definition.dataset.event_time.name
    reader = Reader(model.manifest.signature, event_time=event_time, max_rows=settings.max_rows)
    return LoadedVersion(desired.version, model.manifest.signature, reader, model.predict, desired.bundle_digest)


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
        limits = Limits(settings.max_request_bytes, settings.inline_rows, settings.trace_ratio)
        inference = Inference(settings.pipeline, self._shelf, self._predictions, self._telemetry, limits)
        return inference.app(self._lifespan)

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


def build(args: dict[str, Any]) -> serve.Application:
    """Bind the deployment to its settings; Serve imports this by name."""
    return Replica.bind(ReplicaSettings.model_validate(args))  # type: ignore[attr-defined]  # made by the decorator
