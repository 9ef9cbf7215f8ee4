"""References of bundles in memory, by the bundle's digest."""

from contracts.profile import Reference
from services.chassis.errors import TransientError


class InMemoryReferences:
    def __init__(self) -> None:
        self.references: dict[str, Reference] = {}

    async def read(self, bundle_uri: str, bundle_digest: str) -> Reference:
        if bundle_digest not in self.references:
            raise TransientError("bundle_unreadable", bundle_uri=bundle_uri)
        return self.references[bundle_digest]
