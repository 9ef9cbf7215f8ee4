"""Files sent over HTTP: kept under their digest before the answer is given. The edge bounds their size."""

import asyncio
from collections.abc import AsyncIterable

from services.ingestion.domain import RawFile
from services.ingestion.ports import Archive
from services.ingestion.spool import Spool


class SpooledUploads:
    """Writes what arrives to local disk, then keeps it whole; what ends early leaves nothing behind."""

    def __init__(self, archive: Archive, *, spool: Spool) -> None:
        self._archive = archive
        self._spool = spool

    async def receive(self, pieces: AsyncIterable[bytes]) -> RawFile:
        """Keep a file that arrives in pieces."""
        async with self._spool.file() as file:
            with await asyncio.to_thread(file.open, "wb") as target:
                async for piece in pieces:
                    await asyncio.to_thread(target.write, piece)
            return await self._archive.keep(file)
