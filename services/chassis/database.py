"""One database per service: SQLite in WAL mode, or a schema of its own in PostgreSQL."""

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from sqlalchemy import JSON, DateTime, Dialect, event, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.chassis import postgresql, sqlite
from services.chassis.disk import Disk
from services.chassis.errors import TransientError
from services.chassis.session import WROTE, ConnectedSession

JsonDocument = JSON
"""Column type of a JSON document, on both databases."""

SQLITE_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}
)


class DatabaseUnavailableError(TransientError):
    """The database did not answer, is full or locked, or took another transaction's side; trying again may work."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC. SQLite has no zones, so it is stored there without and read back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, which would be guessed at."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ChassisRow(SQLModel, registry=registry()):
    """Rows that every service has: what it heard and what it has yet to say."""


class Database:
    """A service's database, with writes of this process one after another."""

    def __init__(self, url: str, *, schema: str) -> None:
        """Prepare, without connecting yet.

        Args:
            url: ``sqlite:///<file>`` or ``postgresql://…``.
            schema: Keeps the tables apart from those of other services, in PostgreSQL.
        """
        self.schema = schema
        self.file: Path | None = None
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            if not address.database or address.database == ":memory:":
                raise ValueError("SQLite needs a file: several connections share the database")
            self.file = Path(address.database)
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.engine = create_async_engine(
                address.set(drivername="sqlite+aiosqlite"),
                pool_size=8,
                pool_use_lifo=True,
                connect_args={"async_creator_fn": partial(sqlite.connect, backlog=sqlite.Backlog())},
            )
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            self.engine = create_async_engine(
                address.set(drivername="postgresql+psycopg"),
                pool_size=8,
                pool_use_lifo=True,
                connect_args={"options": f"-csearch_path={schema}", "connect_timeout": 10},
            )
            event.listen(self.engine.sync_engine, "checkout", postgresql.check_out)
            event.listen(self.engine.sync_engine, "begin", postgresql.begin)
        # SQLite has one writer: waiting here is fair and wakes at once, waiting in its busy handler is neither.
        self._writer: asyncio.Lock | None = asyncio.Lock() if self.file else None
        self._disk = Disk(self.file.with_name(f"{self.file.name}-wal")) if self.file else None
        if self._disk:
            event.listen(self.engine.sync_engine, "commit", partial(_begin_commit, self._disk))

    @asynccontextmanager
    async def session(self, *, write: bool = True) -> AsyncIterator[AsyncSession]:
        """Open a session in one transaction; it is rolled back unless the caller commits.

        Whatever it committed or saw is on the disk when this returns.

        Args:
            write: Whether it may write. Then it takes SQLite's write lock from the start, so that it does not fail
                halfway for want of it; otherwise PostgreSQL has no transaction, and each statement its own moment.

        Raises:
            DatabaseUnavailableError: Instead of the driver's own errors, where trying again may work.
        """
        with _translated():
            try:
                async with (
                    _entered(self._writer if write else None),
                    ConnectedSession(self.engine, expire_on_commit=False) as session,
                ):
                    await session.connection(execution_options={"everloop_write": write})
                    try:
                        yield session
                        if session.info.get(WROTE) and not write:
                            raise AssertionError("a session that was opened to read has written")
                    finally:
                        if self._disk and write:
                            self._disk.end()
            finally:
                # A refusal rests on what was seen, too.
                if self._disk:
                    await _settled(self._disk)

    @asynccontextmanager
    async def exclusively(self, purpose: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Be the only one doing something on this database, among all processes; waits for its turn.

        Yields:
            A check that raises DatabaseUnavailableError once the privilege may be lost.
        """
        if self.file:
            with self.file.with_name(f"{self.file.name}.{purpose}.lock").open("w") as lock:
                await _flock(lock.fileno())
                yield _always
            return
        with _translated():
            async with self.engine.connect() as connection:
                await connection.execution_options(everloop_write=False)
                await _advisory_lock(connection, crc32(f"{self.schema}/{purpose}".encode()))

                async def check() -> None:
                    with _translated():
                        await connection.execute(text("SELECT 1"))

                try:
                    yield check
                finally:
                    # The pool keeps the connection, and with it the lock, unless it is closed for good.
                    await connection.invalidate()

    async def check(self) -> None:
        """Raise DatabaseUnavailableError unless the database answers."""
        async with self.session(write=False) as session:
            await session.connection()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def _settled(disk: Disk) -> None:
    try:
        await disk.settle()
    except OSError as error:
        raise DatabaseUnavailableError("database_unavailable", detail=str(error)) from error


@asynccontextmanager
async def _entered(lock: asyncio.Lock | None) -> AsyncIterator[None]:
    if lock is None:
        yield
        return
    async with lock:
        yield


async def _always() -> None:
    """A file lock is held until its file is closed."""


async def _flock(descriptor: int) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.05)
        else:
            return


async def _advisory_lock(connection: AsyncConnection, key: int) -> None:
    # Asking again and again, since a waiting statement would not notice that it is cancelled.
    while True:
        taken = await connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        if taken.scalar():
            return
        await asyncio.sleep(0.1)


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # BEGIN is said below, not guessed by the driver from the first statement
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    # Nothing committed is written through by this; `Disk` does it before anybody hears of it.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("everloop_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _begin_commit(disk: Disk, connection: Connection) -> None:
    if connection.get_execution_options().get("everloop_write"):
        disk.begin()


class _translated:  # noqa: N801  # reads as a phrase: with _translated(): ...
    """Turns the driver's errors that may pass into DatabaseUnavailableError; a missing table is a bug and stays one."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PoolTimeoutError | InterfaceError) or (isinstance(error, DBAPIError) and _passes(error)):
            raise DatabaseUnavailableError("database_unavailable", detail=type(error).__name__) from error


def _passes(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in SQLITE_PASSING
    return isinstance(error, OperationalError)


def row_base() -> type[SQLModel]:
    """Make a base for a service's rows, with tables apart from everyone else's.

    The same can be written so that type checkers follow it:
    ``class RegistryRow(SQLModel, registry=registry()): ...``
    """

    class Row(SQLModel, registry=registry()):
        """Rows of one service."""

    return Row


__all__ = [
    "AsyncEngine",
    "ChassisRow",
    "Database",
    "DatabaseUnavailableError",
    "JsonDocument",
    "UtcDateTime",
    "row_base",
]
