"""Artifacts in the artifact store."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from everloop import storage
from services.chassis.errors import MalformedError, TransientError
from services.registry.artifacts.domain import Artifact, checked

T = TypeVar("T")


class StoredArtifacts:
    """Artifacts below a URI."""

    def __init__(self, root_uri: str) -> None:
        self._root_uri = root_uri

    async def list(self, path: str) -> tuple[Artifact, ...]:
        """List a directory, sorted by name; none if it is not there."""
        with _explained(path):
            found = await asyncio.to_thread(lambda: storage.entries(self._place(path)))
        return tuple(Artifact(entry.name, entry.size_bytes) for entry in found)

    async def find(self, path: str) -> Artifact | None:
        """Tell what is there."""
        with _explained(path):
            found = await asyncio.to_thread(lambda: storage.find(self._place(path)))
        return Artifact(found.name, found.size_bytes) if found else None

    def read(self, path: str) -> Iterator[bytes]:
        """Read a file piece by piece, blocking."""
        with _explained(path):
            yield from storage.chunks(self._place(path))

    async def write(self, path: str, content: AsyncIterable[bytes]) -> None:
        """Keep a file once all its pieces are there."""
        with _explained(path):
            uri = await asyncio.to_thread(self._place, path)
            async with _in_thread(storage.writing(uri)) as file:
                async for block in _blocks(content):
                    await asyncio.to_thread(file.write, block)

    async def delete(self, path: str) -> None:
        """Delete a file, or a directory with everything below it, if it is there."""
        with _explained(path):
            await asyncio.to_thread(self._delete, path)

    def _delete(self, path: str) -> None:
        uri = self._place(path)
        if storage.exists(uri):
            storage.delete(uri)

    def _place(self, path: str) -> str:
        """Find a path's URI. A link that someone put into a local store must not lead out of it either."""
        uri = storage.join(self._root_uri, checked(path))
        root, place = storage.local_path(self._root_uri), storage.local_path(uri)
        if root and place and not place.resolve().is_relative_to(root.resolve()):
            raise MalformedError("invalid_path", path=path)
        return uri


@asynccontextmanager
async def _in_thread(block: AbstractContextManager[T]) -> AsyncIterator[T]:
    value = await asyncio.to_thread(block.__enter__)
    try:
        yield value
    except BaseException as error:
        await asyncio.to_thread(block.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(block.__exit__, None, None, None)


async def _blocks(content: AsyncIterable[bytes]) -> AsyncIterator[bytes | bytearray]:
    """Gather small pieces, to spare a change of threads for each."""
    gathered = bytearray()
    async for piece in content:
        gathered += piece
        if len(gathered) >= storage.CHUNK_BYTES:
            yield gathered
            gathered = bytearray()
    yield gathered


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Tell a path where no file can be from a store that does not answer."""
    try:
        yield
    except storage.StorageError as error:
        match error.__cause__:
            case NotADirectoryError() | IsADirectoryError() | FileExistsError():
                raise MalformedError("path_is_taken", path=path) from error
            case _:
                raise TransientError("store_unreachable", detail=error) from error
