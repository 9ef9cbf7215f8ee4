"""The files of the store, as far as they can be erased."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from contracts.model import Uri
from everloop import storage
from services.chassis.errors import TransientError
from services.registry.garbage.domain import RECORD, Garbage, Kind, Place
from services.registry.garbage.places import RUNS

T = TypeVar("T")


class StoredFiles:
    """Files below a URI."""

    def __init__(self, store_uri: Uri) -> None:
        self._root = store_uri

    async def training_runs(self) -> list[UUID]:
        """List the training runs that have a directory."""
        found = await _told(lambda: storage.entries(storage.join(self._root, RUNS)))
        return [run_id for entry in found if entry.is_directory and (run_id := _uuid(entry.name))]

    async def unfinished(self, before: datetime) -> list[Garbage]:
        """List what was begun to be written before a time, and never finished."""
        return await _told(lambda: list(self._unfinished(before)))

    async def bytes_of(self, place: Place) -> int:
        """Add up the bytes that would be erased."""
        return await _told(lambda: sum(_bytes(uri) for uri in self._uris(place)))

    async def erase(self, place: Place) -> None:
        """Erase a place's files, if they are there."""
        await _told(lambda: self._erase(place))

    def _unfinished(self, before: datetime) -> Iterator[Garbage]:
        for path in storage.list(self._root):
            entry = storage.find(storage.join(self._root, path)) if path.endswith(storage.PARTIAL) else None
            if entry and entry.written_at and entry.written_at < before:
                yield Garbage(Kind.UNFINISHED, path, path, "", entry.written_at, Place(path))

    def _erase(self, place: Place) -> None:
        for uri in self._uris(place):
            if storage.exists(uri):
                storage.delete(uri)

    def _uris(self, place: Place) -> list[Uri]:
        root = storage.join(self._root, place.path)
        if not place.keep_record:
            return [root]
        return [storage.join(root, path) for path in storage.list(root) if path not in RECORD]


def _bytes(uri: Uri) -> int:
    """Add up a file's bytes, or those of all files below a directory."""
    entry = storage.find(uri)
    if entry is None:
        return 0
    if entry.size_bytes is not None:
        return entry.size_bytes
    return sum(_bytes(storage.join(uri, path)) for path in storage.list(uri))


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


async def _told(call: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise TransientError("store_unreachable", detail=error) from error
