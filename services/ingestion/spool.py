"""Local disk for files that have not arrived completely."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

ABANDONED_AFTER_S = 24 * 3600


class Spool:
    """Hands out directories that vanish after use. What a killed process left is swept up a day later."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @asynccontextmanager
    async def file(self) -> AsyncIterator[Path]:
        """Lend a path at which nothing is yet."""
        await asyncio.to_thread(self._sweep)
        with TemporaryDirectory(dir=self._root) as directory:
            yield Path(directory) / "file"

    def _sweep(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        for left in self._root.iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - ABANDONED_AFTER_S:
                    shutil.rmtree(left, ignore_errors=True)
