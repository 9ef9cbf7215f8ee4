"""The database: the same on SQLite and on PostgreSQL."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select

from services.chassis import inbox
from services.chassis.database import Database, DatabaseUnavailableError, JsonDocument, UtcDateTime
from services.chassis.errors import RejectedError
from services.chassis.schema import migrate
from services.chassis.sqlite import QuickConnection

MIGRATIONS = Path(__file__).parent / "migrations"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class NoteRow(SQLModel, registry=registry()):
    """Rows of this test."""


class Note(NoteRow, table=True):
    key: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    content: dict[str, Any] = Field(default_factory=dict, sa_type=JsonDocument)


async def test_times_come_back_in_utc_and_documents_whole(sessions: Callable[..., Any]) -> None:
    transactions = await sessions(NoteRow)
    in_berlin = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    async with transactions() as session:
        session.add(Note(key="a", at=in_berlin, content={"deep": [1, None, "ü"]}))

    async with transactions() as session:
        [note] = (await session.exec(select(Note).where(Note.at == NOON))).all()

    assert note.at == NOON
    assert note.at.utcoffset() == timedelta(0)
    assert note.content == {"deep": [1, None, "ü"]}


async def test_naive_time_is_refused(sessions: Callable[..., Any]) -> None:
    transactions = await sessions(NoteRow)

    with pytest.raises(StatementError, match="without a zone"):
        async with transactions() as session:
            session.add(Note(key="a", at=datetime(2026, 1, 1)))  # noqa: DTZ001  # the mistake


async def test_error_takes_everything_back(sessions: Callable[..., Any]) -> None:
    transactions = await sessions(NoteRow)

    async def write_and_fail() -> None:
        async with transactions() as session:
            session.add(Note(key="a", at=NOON))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()

    async with transactions() as session:
        assert (await session.exec(select(Note))).all() == []


async def test_many_writers_take_turns(sessions: Callable[..., Any]) -> None:
    transactions = await sessions(NoteRow)
    async with transactions() as session:
        session.add(Note(key="a", at=NOON, content={"n": 0}))

    async def add_one() -> None:
        async with transactions() as session:
            note = (await session.exec(select(Note).with_for_update())).one()
            note.content = {"n": note.content["n"] + 1}

    await asyncio.gather(*(add_one() for _ in range(20)))

    async with transactions() as session:
        assert (await session.exec(select(Note))).one().content == {"n": 20}


async def test_migrations_started_twice_at_once_run_once(database_url: str) -> None:
    schema = f"s{uuid4().hex[:8]}"
    both = [Database(database_url, schema=schema) for _ in range(2)]

    await asyncio.gather(*(migrate(database, MIGRATIONS) for database in both))
    await migrate(both[0], MIGRATIONS)

    async with both[1].session() as session:
        assert await inbox.remember(session, "consumer", "one", NOON)
    for database in both:
        await database.close()


@pytest.mark.postgres
async def test_schemas_are_apart(postgres_url: str) -> None:
    one, other = Database(postgres_url, schema="one"), Database(postgres_url, schema="other")
    await migrate(one)
    await migrate(other)
    async with one.session() as session:
        await inbox.remember(session, "consumer", "message", NOON)
        await session.commit()

    async with other.session() as session:
        assert await inbox.remember(session, "consumer", "message", NOON)
    await one.close()
    await other.close()


@pytest.mark.postgres
async def test_connection_that_the_server_ended_is_made_anew(postgres_url: str) -> None:
    database = Database(postgres_url, schema="test")
    await migrate(database)
    async with database.session() as one, database.session() as other:
        for session in (one, other):
            await session.connection()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        server.execute(f"{others} AND datname = current_database()".encode())

    async with database.session() as one, database.session(write=False) as other:
        assert await inbox.remember(one, "consumer", "message", NOON)
        assert (await other.exec(select(inbox.InboxRow))).all() == []
    await database.close()


async def test_session_that_only_reads_must_not_write(database: Database) -> None:
    await migrate(database)

    with pytest.raises(AssertionError, match="opened to read"):
        async with database.session(write=False) as session:
            await inbox.remember(session, "consumer", "message", NOON)


async def test_message_is_remembered_per_consumer_until_it_is_forgotten(database: Database) -> None:
    await migrate(database)
    async with database.session() as session:
        assert await inbox.remember(session, "a", "one", NOON)
        assert not await inbox.remember(session, "a", "one", NOON)
        assert await inbox.remember(session, "b", "one", NOON)
        assert await inbox.forget(session, "a", NOON) == 0

        assert await inbox.forget(session, "a", NOON + timedelta(seconds=1)) == 1

        assert await inbox.remember(session, "a", "one", NOON)
        assert not await inbox.remember(session, "b", "one", NOON)


async def test_privilege_is_held_by_one_and_passed_on(database: Database, database_url: str) -> None:
    other = Database(database_url, schema=database.schema)
    held: list[str] = []

    async def hold(name: str, holder: Database) -> None:
        async with holder.exclusively("relay") as check:
            assert not held
            held.append(name)
            await asyncio.sleep(0)
            await check()
            held.remove(name)

    await asyncio.gather(hold("one", database), hold("other", other), hold("again", database))
    await other.close()


async def test_bug_in_a_statement_is_not_called_unavailable(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.session() as session:
            await (await session.connection()).execute(text("SELECT * FROM nowhere"))


async def test_locked_file_is_called_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "test.sqlite"
    database = Database(f"sqlite:///{file}", schema="test")
    async with database.session() as session:
        await (await session.connection()).execute(text("PRAGMA busy_timeout = 1"))
    blocker = sqlite3.connect(file, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseUnavailableError):
        async with database.session():
            pass

    blocker.close()
    await database.close()


class Forced:
    """Counts what is written through to the disk."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, descriptor: int) -> None:
        self.times += 1


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> Forced:
    """Every write-through of SQLite's log."""
    forced = Forced()
    monkeypatch.setattr(os, "fdatasync", forced)
    return forced


async def test_what_is_read_before_its_commit_returns_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forced: Forced
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite'}", schema="test")
    await migrate(database)
    committed, returning = asyncio.Event(), asyncio.Event()
    commit = QuickConnection.commit

    async def commit_and_linger(connection: QuickConnection) -> None:
        await commit(connection)
        committed.set()
        await returning.wait()

    async def write() -> None:
        async with database.session() as session:
            await inbox.remember(session, "consumer", "message", NOON)
            with monkeypatch.context() as slow:
                slow.setattr(QuickConnection, "commit", commit_and_linger)
                await session.commit()

    writing = asyncio.create_task(write())
    await committed.wait()
    forced.times = 0
    async with database.session(write=False) as session:
        assert (await session.exec(select(inbox.InboxRow))).one()
    assert forced.times == 1

    returning.set()
    await writing
    await database.close()


async def test_a_refusal_waits_for_what_it_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite'}", schema="test")
    await migrate(database)
    committed, disk = asyncio.Event(), threading.Event()
    happened: list[str] = []

    def force(_: int) -> None:
        disk.wait()
        happened.append("on the disk")

    async def write() -> None:
        async with database.session() as session:
            await inbox.remember(session, "consumer", "message", NOON)
            await session.commit()
            committed.set()

    async def refuse() -> None:
        async with database.session() as session:
            assert not await inbox.remember(session, "consumer", "message", NOON)
            asyncio.get_running_loop().call_later(0.05, disk.set)
            raise RejectedError("known")

    monkeypatch.setattr(os, "fdatasync", force)
    writing = asyncio.create_task(write())
    await committed.wait()
    with pytest.raises(RejectedError):
        await refuse()
    happened.append("refused")
    await writing

    assert happened == ["on the disk", "refused"]
    await database.close()


async def test_absent_server_is_called_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", schema="test")

    with pytest.raises(DatabaseUnavailableError):
        await database.check()

    await database.close()
