"""The registry's state in SQL, read table by table: a new table is part of the digest without anyone adding it."""

from sqlalchemy import Table, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.past.domain import Part, StateDigest, digest_of_row, part_of
from services.registry.rows import Row

AT_ONCE = 1000
WORK_IN_HAND = frozenset({"inspections"})
COUNTERS = {"models": frozenset({"turn"})}
"""Columns that count tries, not outcomes."""


class SqlState:
    """All tables but those of work in hand."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def digest(self) -> StateDigest:
        """Read all of it, and sum it up."""
        tables = [table for table in Row.metadata.sorted_tables if table.name not in WORK_IN_HAND]
        return StateDigest.of([await self._part(table) for table in tables])

    async def _part(self, table: Table) -> Part:
        columns = [column for column in table.columns if column.name not in COUNTERS.get(table.name, ())]
        connection = await self._session.connection()
        digests: list[bytes] = []
        async with connection.stream(select(*columns)) as found:
            async for rows in found.mappings().partitions(AT_ONCE):
                digests += [digest_of_row(dict(row)) for row in rows]
        return part_of(table.name, digests)
