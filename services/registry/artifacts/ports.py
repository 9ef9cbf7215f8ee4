"""What keeps artifacts, and who needs them."""

from collections.abc import AsyncIterable, Iterator
from typing import Protocol

from services.registry.artifacts.domain import Artifact, Holder


class Artifacts(Protocol):
    """Files by their path below the root; the root's own path is empty.

    Everything raises ``MalformedError`` for a path that is not allowed, and ``TransientError`` where the store does
    not answer.
    """

    async def list(self, path: str) -> tuple[Artifact, ...]:
        """List a directory without what is below its directories, sorted by name; none if it is not there."""

    async def find(self, path: str) -> Artifact | None:
        """Tell what is there."""

    def read(self, path: str) -> Iterator[bytes]:
        """Read a file piece by piece, blocking."""

    async def write(self, path: str, content: AsyncIterable[bytes]) -> None:
        """Keep a file once all its pieces are there; if they break off, nothing of it is kept."""

    async def delete(self, path: str) -> None:
        """Delete a file, or a directory with everything below it, if it is there."""


class Holders(Protocol):
    """Registered versions by where their files are, deleted ones left out."""

    async def above(self, path: str) -> list[Holder]:
        """List those that have their files at a path, or in a directory that it is in."""

    async def below(self, path: str) -> list[Holder]:
        """List those that have their files in a directory below a path."""
