"""What telling where versions come from needs from outside."""

from collections.abc import Sequence
from typing import Protocol

from contracts.archive import VersionRecord
from services.registry.domain import ModelVersion
from services.registry.provenance.comparison import Side
from services.registry.provenance.origins import Mention


class Papers(Protocol):
    """What came with versions of other registries, in the artifact store."""

    async def record_of(self, version: ModelVersion) -> VersionRecord | None:
        """Read what the registry knew that a version was imported from; None if it was not imported.

        Raises:
            RejectedError: It is another version's, or broken.
            TransientError: The store does not answer.
        """


class Sides(Protocol):
    """Files of versions, in the artifact store."""

    async def of(self, version: ModelVersion) -> Side:
        """Read what a comparison needs of a version.

        Raises:
            RejectedError: A file is not what its digest says.
            TransientError: The store does not answer.
        """


class Origins(Protocol):
    """What versions were made of, by every id it has."""

    async def mentions(self, identity: str, *, limit: int) -> Sequence[Mention]:
        """Find the versions that came from something, oldest first: a run, data, code, an environment, a bundle.

        Args:
            identity: A digest, a run's id, or a commit or its beginning, of at least seven digits.
            limit: How many at most.
        """
