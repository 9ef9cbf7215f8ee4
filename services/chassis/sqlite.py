"""SQLite without a change of threads for every statement, which costs more than most statements do."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiosqlite import Connection

BUDGET = 60_000
"""Instructions of SQLite's machine, a few milliseconds, that a query may take where the event loop runs."""
FEW = 200
"""Rows that are written where the event loop runs."""
MANY = 1000
"""Changes after which the write-ahead log is brought into the database, which SQLite would do whenever it likes."""
CHANGES = ("INSERT", "UPDATE", "DELETE", "SAVEPOINT", "RELEASE", "ROLLBACK TO")
"""What stays in memory until the transaction commits."""

FETCHING = frozenset({"fetchone", "fetchmany", "fetchall"})
ENDING = frozenset({"commit", "rollback"})


@dataclass
class Backlog:
    """Changes in the write-ahead log that are not in the database yet, of all connections."""

    changes: int = 0


class QuickConnection(Connection):
    """Runs what is quick at once, and in its own thread what may wait: for a lock, for the disk, for a long query.

    Whether a query is quick turns out: one that uses up its budget is started anew in the thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], backlog: Backlog) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # As SQLAlchemy has it for connections that it makes itself.
        self._thread.daemon = True
        self._backlog = backlog
        self._counted = 0
        self._rows: dict[object, Iterator[Any]] = {}
        """What queries found, by cursor, until the transaction ends."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a method of the connection or of one of its cursors."""
        name, of = fn.__name__, getattr(fn, "__self__", None)
        if of in self._rows and name in FETCHING:
            return self._fetch(name, of, *args)
        if name in ENDING:
            self._rows.clear()
        if (
            name == "execute"
            and isinstance(of, sqlite3.Cursor)
            and (self._answered(of, *args) or self._began(of, *args))
        ):
            return of
        if name == "commit":
            return await self._commit(fn)
        if _is_quick(name, of, *args):
            return fn(*args, **kwargs)
        return await self._wait_for(fn, *args, **kwargs)

    async def _wait_for(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        running: Awaitable[Any] = super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return await running

    def _answered(self, cursor: sqlite3.Cursor, statement: str, *args: Any) -> bool:
        if not statement.startswith("SELECT"):
            return False
        self._conn.set_progress_handler(_enough, BUDGET)
        try:
            self._rows[cursor] = iter(cursor.execute(statement, *args).fetchall())
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return False
        finally:
            self._conn.set_progress_handler(None, 0)
        return True

    def _began(self, cursor: sqlite3.Cursor, statement: str, *args: Any) -> bool:
        """Begin to write, unless another process does."""
        if statement != "BEGIN IMMEDIATE":
            return False
        [(patience_ms,)] = self._pragma("busy_timeout")
        self._pragma("busy_timeout = 0")
        try:
            cursor.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._pragma(f"busy_timeout = {patience_ms}")
        return True

    async def _commit(self, commit: Callable[[], None]) -> None:
        """Commit, which writes nothing through; now and then bring what was written into the database, which does."""
        counted, self._counted = self._counted, self._conn.total_changes
        self._backlog.changes += self._counted - counted
        if self._backlog.changes < MANY:
            commit()
            return
        await self._wait_for(commit)
        self._backlog.changes = 0
        # It is committed either way. What cannot be brought over now stays in the log.
        with suppress(sqlite3.Error):
            await self._wait_for(self._pragma, "wal_checkpoint(PASSIVE)")

    def _pragma(self, words: str) -> list[Any]:
        # To the last row, for until then nothing can be committed.
        return self._conn.execute(f"PRAGMA {words}").fetchall()

    def _fetch(self, name: str, cursor: object, size: int = 1) -> Any:
        rows = self._rows[cursor]
        if name == "fetchone":
            return next(rows, None)
        return list(rows if name == "fetchall" else islice(rows, size))


def connect(file: str, *, backlog: Backlog, **options: Any) -> QuickConnection:
    """Prepare a connection; awaiting it opens it."""
    return QuickConnection(lambda: sqlite3.connect(file, **{**options, "check_same_thread": False}), backlog)


def _is_quick(name: str, of: object, *args: Any) -> bool:
    match name:
        case "cursor" | "rollback":
            return True
        case "close":
            return isinstance(of, sqlite3.Cursor)
        case "execute":
            return bool(args[0] == "BEGIN" or args[0].startswith(CHANGES))
        case "executemany":
            return len(args[1]) <= FEW
        case _:
            return False


def _enough() -> bool:
    return True
