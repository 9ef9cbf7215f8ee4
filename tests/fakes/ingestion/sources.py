"""Files people point at, in memory."""

import asyncio
from pathlib import Path

from services.chassis.errors import RejectedError


class InMemorySources:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.outages: list[Exception] = []

    async def fetch(self, uri: str, target: Path) -> None:
        if self.outages:
            raise self.outages.pop()
        if uri not in self.files:
            raise RejectedError("file_not_found", uri=uri)
        await asyncio.to_thread(target.write_bytes, self.files[uri])
