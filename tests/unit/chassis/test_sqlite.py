"""SQLite's statements run at once where they are quick, and are never waited for where they are not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.chassis.sqlite import QuickConnection, connect

MANY = "SELECT a.n FROM numbers a, numbers b, numbers c WHERE a.n + b.n + c.n > 400 ORDER BY a.n"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[QuickConnection]:
    """A table of the numbers below 150."""
    async with connect(str(tmp_path / "numbers.sqlite")) as connection:
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
        found = await _found(connection, f"SELECT count(*) FROM ({MANY})")
        counting.cancel()

    assert found == [(sum(1 for a in range(150) for b in range(150) for c in range(150) if a + b + c > 400),)]
    assert turns > 10


async def test_what_was_written_in_a_transaction_is_read_in_it(connection: QuickConnection) -> None:
    await connection.execute("INSERT INTO numbers VALUES (?)", (1000,))

    assert await _found(connection, "SELECT max(n) FROM numbers") == [(1000,)]

    await connection.rollback()
    assert await _found(connection, "SELECT max(n) FROM numbers") == [(149,)]


async def _found(connection: QuickConnection, query: str) -> list[tuple[int]]:
    cursor = await connection.cursor()
    await cursor.execute(query)
    return [tuple(row) for row in await cursor.fetchall()]
