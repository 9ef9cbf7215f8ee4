"""Commits on the disk, many at a time: one write-through takes along whatever was committed before it began."""

import asyncio
import os
from pathlib import Path


class Disk:
    """The write-ahead log of a SQLite database that leaves writing through to us (``synchronous = NORMAL``).

    SQLite's own ``FULL`` does the same at each commit, while nobody else may write.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file = 0
        self._committing = False
        self._committed = 0
        self._safe = 0
        self._writing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Say that something is being committed; others may see it before whoever commits hears that it is done."""
        self._committing = True

    def end(self) -> None:
        """Say that nothing is being committed any more."""
        if self._committing:
            self._committing = False
            self._committed += 1

    async def settle(self) -> None:
        """Wait until all that is committed now is on the disk: who saw it may act on it.

        Raises:
            OSError: The disk does not take it; it may be lost at a power cut.
        """
        if self._committing:
            # Perhaps it was seen already; no write that has begun is sure to take it along.
            self._committed += 1
        wanted = self._committed
        while self._safe < wanted:
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(self._committed))
            # It is everyone's: whoever stops waiting must not stop it.
            await asyncio.shield(self._writing)

    async def _write(self, committed: int) -> None:
        await asyncio.to_thread(self._write_through)
        self._safe = committed

    def _write_through(self) -> None:
        try:
            descriptor = os.open(self._log, os.O_RDWR)
        except FileNotFoundError:
            # Emptied into the database and removed by the last to close it, which writes through.
            return
        try:
            os.fdatasync(descriptor)
            file = os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        if file != self._file:
            # A new file's name is in its folder, which is written through by itself.
            _write_folder_through(self._log.parent)
            self._file = file


def _write_folder_through(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
