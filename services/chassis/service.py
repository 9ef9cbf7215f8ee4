"""A service: its parts, named in one place. `main.py` builds it and calls `run`."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from fastapi import APIRouter
from opentelemetry.sdk.trace import SpanProcessor
from sqlmodel import SQLModel
from starlette.routing import BaseRoute

from services.chassis.handling import Retries
from services.chassis.logs import Log, set_up_logs
from services.chassis.reconciling import Reconciling
from services.chassis.runtime import Live, Runtime
from services.chassis.settings import ServiceSettings
from services.chassis.subscriptions import Subscription
from services.chassis.work import Ports, Reconciler

log = Log(__name__)


@dataclass(frozen=True)
class Service:
    """What a service is made of.

    Attributes:
        name: Its name, as in its subjects and its settings.
        settings: Where its database, its bus and its files are.
        subscriptions: What it hears.
        ports: Protocol to the function that binds its adapter to a transaction's session.
        router: Its HTTP routes, mounted under ``/v1``.
        routes: Protocols of others that it speaks beside them, with errors of their own.
        reconcilers: What drives slow work, outside of handlers.
        rows: Base of its rows; documents which tables are its own.
        migrations: Folder of its migrations; unset: ``services/<name>/migrations``.
        retries: How patient it is with messages that fail.
        max_bytes_below: Start of a path to the size of its requests' bodies, where the settings' does not fit.
    """

    name: str
    settings: ServiceSettings
    subscriptions: tuple[Subscription, ...]
    ports: Ports
    router: APIRouter | None = None
    routes: tuple[BaseRoute, ...] = ()
    reconcilers: tuple[Reconciler, ...] = ()
    rows: type[SQLModel] | None = None
    migrations: str = ""
    retries: Retries = field(default_factory=Retries)
    max_bytes_below: Mapping[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, then finish what is in hand and stop."""
        set_up_logs(self.name, level=self.settings.log_level, format=self.settings.log_format)
        uvloop.run(self.serve())

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT, inside an event loop."""
        ready, stop = asyncio.Event(), asyncio.Event()

        async def live() -> None:
            async with self.running(make_telemetry_global=True):
                ready.set()
                await stop.wait()
                log.info("service stops")

        life = asyncio.create_task(live())

        def end() -> None:
            stop.set()
            if not ready.is_set():
                # Starting may wait for a broker or a database that never comes.
                life.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        try:
            await life
        except asyncio.CancelledError:
            if not stop.is_set():
                raise

    @asynccontextmanager
    async def running(
        self, *, processors: tuple[SpanProcessor, ...] = (), make_telemetry_global: bool = False
    ) -> AsyncIterator[Live]:
        """Run until the block ends. Tests run services in their own process this way.

        Args:
            processors: See every span of this service.
            make_telemetry_global: Let `opentelemetry.trace.get_tracer` find this service's tracer.

        Yields:
            The running service, ready.
        """
        runtime = Runtime(self, processors)
        if make_telemetry_global:
            runtime.telemetry.make_global()
        async with runtime.live() as live:
            log.info("service ready", url=live.url)
            yield live

    @property
    def migrations_folder(self) -> Path:
        """Say where its migrations are."""
        return Path(self.migrations) if self.migrations else Path(__file__).parents[1] / self.name / "migrations"


__all__ = ["Live", "Reconciler", "Reconciling", "Service"]
