"""The two servers, each on SQLite or PostgreSQL, and what they cost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.fixtures.mlflow_server import stock_server
from tests.fixtures.registry_process import registry_process

MIB = 1024 * 1024


@dataclass(frozen=True)
class Server:
    """A server that answers, and the processes that are it."""

    port: int
    roots: tuple[psutil.Process, ...]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """Add up the CPU time its processes have used."""
        times = [process.cpu_times() for process in self._family()]
        return sum(time.user + time.system for time in times)

    def resident_mib(self) -> float:
        """Add up the memory its processes hold; what several share is counted in parts."""
        return float(sum(process.memory_full_info().pss for process in self._family())) / MIB

    def _family(self) -> list[psutil.Process]:
        return [one for root in self.roots for one in (root, *root.children(recursive=True))]


Start = Callable[[Path, str | None], AbstractContextManager[Server]]
"""Runs a server in a folder, on PostgreSQL's URL or else on SQLite."""


@contextmanager
def stock(home: Path, database_url: str | None) -> Iterator[Server]:
    """Run ``mlflow server``."""
    # The driver of its documentation, which SQLAlchemy takes by itself only up to 2.0.
    url = database_url.replace("postgresql:", "postgresql+psycopg2:", 1) if database_url else None
    with stock_server(home, database_url=url) as server:
        yield Server(server.port, (server.process,))


@contextmanager
def everloop(home: Path, database_url: str | None) -> Iterator[Server]:
    """Run the registry and its broker."""
    with registry_process(home, database_url=database_url) as registry:
        yield Server(registry.port, (registry.process, psutil.Process(registry.broker.pid)))


SERVERS: dict[str, Start] = {"mlflow server": stock, "Everloop": everloop}
