"""What makes a process a replica, whatever runs it: following the board, reporting, loading, speaking."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from pydantic import Field, ValidationError

from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES
from contracts.message import utc_now
from contracts.model import Contract, PipelineName
from everloop.bundle.logged import load_any
from everloop.bundle.model import Model
from services.chassis.bus import MESSAGE_ID, Bus
from services.chassis.errors import MalformedError, TransientError
from services.chassis.logs import Log, LogFormat
from services.chassis.telemetry import Telemetry
from services.serving.desired import DesiredVersion, MessageCounts, ReplicaLoad, ReplicaReport
from services.serving.ports import Board, Changes
from services.serving.replica.explaining import Explaining
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.log_message import LogMessage
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.reading import Reader
from services.serving.replica.shelf import Shelf

SIGN_OF_LIFE_S = 1.0
LOOK_AGAIN_S = 2.0
MEMORY_PER_BYTE = 3
"""Of a bundle's files: what the process grows by when it loads one (measured 2.7, trees and session together)."""

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
    max_explained_rows: int = 100
    max_text_length: int = 10_000
    batch_rows: int = 256
    batch_wait_ms: float = 0.0
    batch_call_ms: float = 100.0
    request_timeout_s: float = 10.0
    max_waiting_rows: int = 100_000
    memory_budget_mib: int = 1024
    log_capacity_rows: int
    log_capacity_mib: int = 128
    log_flush_s: float
    trace_ratio: float
    max_ongoing_requests: int = Field(default=64, description="Answered at once over HTTP; others wait.")
    max_queued_requests: int = Field(default=1024, description="Waiting over HTTP; others are refused.")
    scales: bool = Field(default=False, description="The number of replicas follows the load, which Serve counts.")
    requests_at_once: int = 32
    queued_at_once: int = 16


class Follower:
    """Keeps one replica in step with the board for as long as it lives."""

    def __init__(self, pipeline: str, replica: str, shelf: Shelf, predictions: PredictionLog) -> None:
        self._pipeline = pipeline
        self._replica = replica
        self._shelf = shelf
        self._predictions = predictions
        self.ready = asyncio.Event()
        """Set once what should answer does, or nothing should yet."""
        self.count_load: Callable[[], ReplicaLoad] = ReplicaLoad
        self.count_messages: Callable[[], MessageCounts] = MessageCounts
        self.lookup_id: Callable[[], UUID | None] = lambda: None

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
            traffic=self._shelf.traffic,
            load=self.count_load(),
            messages=self.count_messages(),
            lookup=self.lookup_id(),
        )

    async def follow(self, board: Board, changes: Changes) -> None:
        """Do what is desired, at every change and now and then, until cancelled."""
        while True:
            try:
                desired = await board.desired(self._pipeline)
                # The service posts before it has an answer too; none at all is a broker that is not itself yet.
                if desired is not None and await self._shelf.follow(desired):
                    self.ready.set()
                    # What is desired may have changed in the meantime, and comes before what is only kept.
                    if await self._shelf.keep_one(desired):
                        continue
            # What can't be understood is written anew some day; until then this replica goes on as it is.
            except (TransientError, ValidationError) as error:
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

    async def __call__(self, message: LogMessage, message_id: str) -> None:
        """Publish and wait until the stream has it."""
        if self.bus is None:
            raise TransientError("bus_unavailable", detail="not connected yet")
        body = message.to_bytes(message_id, utc_now())
        if len(body) > MAX_BODY_BYTES:
            raise MalformedError("message_too_large", size_bytes=len(body))
        headers = {MESSAGE_ID: message_id, "Content-Type": CONTENT_TYPE}
        if message.traceparent is None:
            await self.bus.publish(message.address, body, headers=headers)
            return
        with self._telemetry.publishing(message.address, message_id, len(body), message.traceparent) as carried:
            await self.bus.publish(message.address, body, headers={**headers, **carried})


def load(settings: ReplicaSettings, desired: DesiredVersion, max_golden_difference: float) -> LoadedVersion:
    """Fetch a version, verify every digest, load it and ask it its golden requests.

    Raises:
        BundleError: A digest disagrees, the bundle is broken, or a golden answer differs.
        StorageError: A file can't be read.
    """
    model = load_any(desired.bundle_uri, desired.bundle_digest, settings.code_dir)
    difference = model.check_golden(max_golden_difference)
    log.info("version loaded", version=desired.version, golden_difference=difference)
    # What was only logged has no pipeline that declares more than its signature does.
    definition = model.definition if isinstance(model, Model) else None
    reader = Reader(
        model.signature,
        event_time=definition.dataset.event_time.name if definition else None,
        max_rows=settings.max_rows,
        max_text_length=settings.max_text_length,
    )
    return LoadedVersion(
        desired.version,
        model.signature,
        reader,
        model.predict,
        desired.bundle_digest,
        Explaining(model.explain, max_rows=settings.max_explained_rows, timeout_s=settings.request_timeout_s),
        definition.dataset if definition else None,
        streaming=definition.streaming if definition else None,
        format=model.manifest.format,
        memory_bytes=MEMORY_PER_BYTE * sum(file.size_bytes for file in model.manifest.files),
    )
