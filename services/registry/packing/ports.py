"""What makes bundles."""

from typing import Protocol

from services.registry.models.domain import VersionEntry
from services.registry.packing.domain import Packed


class Packing(Protocol):
    """Bundles of what was logged, in the artifact store. Slow: outside of transactions only."""

    async def ready(self, version: VersionEntry, path: str | None) -> Packed:
        """Verify a version's bundle, or make it one.

        Args:
            version: One that was only logged.
            path: Where its files are, below the root of artifacts; unset: elsewhere.

        Raises:
            RejectedError: The bundle it had is not what it was.
            TransientError: The store does not answer.
        """
