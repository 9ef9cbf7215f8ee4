"""Compares versions of a dataset by reading both."""

import asyncio

from services.chassis.errors import RejectedError
from services.ingestion.comparison import DatasetDiff, compare
from services.ingestion.domain import DatasetVersion
from services.ingestion.ports import Lake


class LakeDifferences:
    """Holds both versions in memory while it compares them.

    Args:
        max_rows: Largest version that is read.
    """

    def __init__(self, lake: Lake, *, max_rows: int) -> None:
        self._lake = lake
        self._max_rows = max_rows

    async def between(self, before: DatasetVersion, after: DatasetVersion) -> DatasetDiff:
        """Compare all rows of two versions."""
        rows = max(before.rows, after.rows)
        if rows > self._max_rows:
            raise RejectedError("dataset_too_large_to_compare", rows=rows, max_rows=self._max_rows)
        tables = await self._lake.read(before), await self._lake.read(after)
        return await asyncio.to_thread(compare, *tables)
