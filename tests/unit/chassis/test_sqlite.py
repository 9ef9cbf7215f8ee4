"""SQLite's statements run at once where they are quick, and are never waited for where they are not."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from services.chassis.sqlite import MANY, Backlog, QuickConnection, connect

LONG = "SELECT a.n FROM numbers a, numbers b, numbers c WHERE a.n + b.n + c.n > 400 ORDER BY a.n"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[QuickConnection]:
    """A table of the numbers below 150."""
    async with connect(str(tmp_path / "numbers.sqlite"), backlog=Backlog()) as connection:
        await connection.execute("CREATE TABLE numbers (n INTEGER)")
        await connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(150)])
        await connection.commit()
        yield connection


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_rows_come_as_they_are_asked_for(connection: QuickConnection, size: int) -> None:
    cursor = await connection.cursor()
    await cursor.execute("SELECT n FROM numbers ORDER BY n")

    first = await cursor.fetchone()
    some = list(await cursor.fetchmany(size))
    rest = list(await cursor.fetchall())

    assert [first, *some, *rest] == [(number,) for number in range(150)]
    assert len(some) == min(size, 149)
    assert await cursor.fetchone() is None
    await cursor.close()


async def test_cursors_do_not_mix_their_rows(connection: QuickConnection) -> None:
    one, other = await connection.cursor(), await connection.cursor()
    await one.execute("SELECT n FROM numbers WHERE n < 2 ORDER BY n")
    await other.execute("SELECT n FROM numbers WHERE n > 147 ORDER BY n")

    assert await one.fetchone() == (0,)
    assert await other.fetchall() == [(148,), (149,)]
    assert await one.fetchall() == [(1,)]

    await one.execute("SELECT 7")
    assert await one.fetchall() == [(7,)]


async def test_a_long_query_is_answered_whole_and_lets_others_go_on(connection: QuickConnection) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        found = await _found(connection, f"SELECT count(*) FROM ({LONG})")
        counting.cancel()

    assert found == [(sum(1 for a in range(150) for b in range(150) for c in range(150) if a + b + c > 400),)]
    assert turns > 10


async def test_what_was_written_in_a_transaction_is_read_in_it(connection: QuickConnection) -> None:
    await connection.execute("INSERT INTO numbers VALUES (?)", (1000,))

    assert await _found(connection, "SELECT max(n) FROM numbers") == [(1000,)]

    await connection.rollback()
    assert await _found(connection, "SELECT max(n) FROM numbers") == [(149,)]


async def test_the_log_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    file, sizes = tmp_path / "log.sqlite", set()
    async with connect(str(file), backlog=Backlog(), isolation_level=None) as connection:
        for setting in ("journal_mode = WAL", "wal_autocheckpoint = 0"):
            await connection.execute_fetchall(f"PRAGMA {setting}")
        await connection.execute("CREATE TABLE numbers (n INTEGER)")
        for _ in range(10):
            for _ in range(10):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.executemany("INSERT INTO numbers VALUES (?)", [(0,)] * (MANY // 10))
                await connection.commit()
            sizes.add(file.with_name("log.sqlite-wal").stat().st_size)

    assert max(sizes) < 2 * min(sizes)


async def test_others_go_on_while_another_process_writes(tmp_path: Path) -> None:
    file = str(tmp_path / "numbers.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        async with connect(file, backlog=Backlog(), isolation_level=None) as connection:
            other.execute("BEGIN IMMEDIATE")
            beginning = asyncio.create_task(connection.execute("BEGIN IMMEDIATE"))
            assert not (await asyncio.wait([beginning], timeout=0.05))[0]

            other.execute("COMMIT")
            await beginning
            await connection.rollback()


async def _found(connection: QuickConnection, query: str) -> list[tuple[int]]:
    cursor = await connection.cursor()
    await cursor.execute(query)
    return [tuple(row) for row in await cursor.fetchall()]
