"""Runs a service: everything started in order, stopped in order, and one fault ends the whole process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from opentelemetry.sdk.trace import SpanProcessor

from services.chassis import inbox
from services.chassis.advisories import Backstop, backstop_of
from services.chassis.backoff import Backoff
from services.chassis.bus import Bus, connect
from services.chassis.consumers import Consumer, consumers_of
from services.chassis.database import Database
from services.chassis.edge import Edge
from services.chassis.errors import EverloopError, TransientError
from services.chassis.handling import Handling
from services.chassis.http import create_app
from services.chassis.logs import Log
from services.chassis.outbox import Relay
from services.chassis.reconciling import Reconciling, reconciling
from services.chassis.schema import migrate
from services.chassis.streams import (
    ConsumerDefinition,
    max_age_of,
    reconcile_consumer,
    reconcile_streams,
    unheard_consumers,
)
from services.chassis.telemetry import Telemetry
from services.chassis.work import Work

if TYPE_CHECKING:
    from services.chassis.service import Service

log = Log(__name__)


@dataclass(frozen=True)
class Live:
    """A service that runs."""

    url: str
    work: Work
    bus: Bus
    telemetry: Telemetry


class Runtime:
    """One life of a service."""

    def __init__(self, service: "Service", processors: tuple[SpanProcessor, ...] = ()) -> None:
        self._service = service
        self._settings = service.settings
        self.telemetry = Telemetry(service.name, otlp_endpoint=self._settings.otlp_endpoint, processors=processors)
        self._database = Database(self._settings.database_for(service.name), schema=service.name)
        self._missing: dict[str, str] = {"service": "starting"}
        self._bus: Bus | None = None

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Live]:
        """Start, yield, stop."""
        listener = socket.create_server((self._settings.host, self._settings.port))
        # Accepted connections inherit it. Without, an answer written in two pieces waits 40 ms for the client's ack.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host, port = listener.getsockname()[:2]
        app = create_app(
            self._service.name, router=self._service.router, routes=self._service.routes, check=self._check
        )
        edge = Edge(
            app,
            telemetry=self.telemetry,
            max_body_bytes=self._settings.max_body_bytes,
            max_bytes_below=self._service.max_bytes_below,
        )
        try:
            async with _serving(edge, listener, self._settings.drain_timeout_s):
                await self._migrate()
                async with connect(
                    self._settings.nats_url, name=self._service.name, ca_file=self._settings.nats_ca_file
                ) as self._bus:
                    work = Work(self._service.name, self._database, self._service.ports, self._bus)
                    async with self._working(self._bus, work):
                        app.state.work = work
                        self._missing.clear()
                        yield Live(f"http://{host}:{port}", work, self._bus, self.telemetry)
                        self._missing["service"] = "stopping"
        finally:
            await self._database.close()
            await asyncio.to_thread(self.telemetry.close)

    @asynccontextmanager
    async def _working(self, bus: Bus, work: Work) -> AsyncIterator[None]:
        """Hear, drive and speak; at the end finish what is in hand and say what is left to say."""
        service, retries = self._service, self._service.retries
        relay = Relay(self._database, bus, self.telemetry)
        work.on_said = relay.wake
        drivers = reconciling(service.reconcilers, work)
        consumers = [
            (definition, Handling(work, bus, self.telemetry, heard, retries))
            for definition, heard in consumers_of(service.name, service.subscriptions, retries)
        ]
        definitions = [definition for definition, _ in consumers]
        pulling = [Consumer(bus, definition, handling) for definition, handling in consumers]
        if definitions:
            backstop = backstop_of(service.name, definitions)
            definitions.append(backstop)
            pulling.append(Consumer(bus, backstop, Backstop(bus, service.name)))
        await self._reconcile(bus, definitions)

        stopping, silent = asyncio.Event(), asyncio.Event()
        workers: list[Consumer | Reconciling] = [*pulling, *drivers]
        async with asyncio.TaskGroup() as tasks:
            saying = tasks.create_task(relay.run(silent))
            shortening = tasks.create_task(
                inbox.keep_short(self._database, {each.name: max_age_of(each.stream) for each in definitions})
            )
            working = [tasks.create_task(each.run(stopping)) for each in workers]
            try:
                yield
            finally:
                stopping.set()
                shortening.cancel()
                await _finish(working, self._settings.drain_timeout_s)
                silent.set()
                relay.wake()
                await _finish([saying], self._settings.drain_timeout_s)

    async def _migrate(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await migrate(self._database, self._service.migrations_folder)
            except TransientError as error:
                self._missing["database"] = str(error)
                log.warning("database is not there yet", error=str(error))
                await backoff.wait()
            else:
                return

    async def _reconcile(self, bus: Bus, definitions: Sequence[ConsumerDefinition]) -> None:
        backoff = Backoff()
        while True:
            try:
                await reconcile_streams(bus, replicas=self._settings.nats_replicas)
                for definition in definitions:
                    await reconcile_consumer(bus, definition)
                left = await unheard_consumers(bus, self._service.name, {each.name for each in definitions})
            except TransientError as error:
                log.warning("streams are not there yet", error=str(error))
                await backoff.wait()
            else:
                if left:
                    log.warning("consumers are left that nobody pulls from", consumers=left)
                return

    async def _check(self) -> Mapping[str, str]:
        missing = dict(self._missing)
        if self._bus is None or not self._bus.connected:
            missing["bus"] = "not connected"
        try:
            async with asyncio.timeout(2):
                await self._database.check()
        except (EverloopError, TimeoutError) as error:
            missing["database"] = str(error) or "no answer in time"
        return missing


class _Server(uvicorn.Server):
    """Uvicorn, leaving signals to the service."""

    @contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def _serving(app: Edge, listener: socket.socket, drain_timeout_s: float) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain_timeout_s)),
    )
    server = _Server(config)
    with closing(listener):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            try:
                yield
            finally:
                server.should_exit = True


async def _finish(tasks: Iterable["asyncio.Task[None]"], timeout_s: float) -> None:
    """Wait for tasks that were asked to end, and cancel those that do not in time."""
    tasks = list(tasks)
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for task in late:
        task.cancel()
