"""The artifact store in memory."""

from contracts.model import Digest, Uri
from contracts.registry import ImportModelVersion
from contracts.training import TrainingRunSucceeded
from services.chassis.errors import RejectedError, TransientError
from services.registry.domain import Arrival, Evidence


class InMemoryBundles:
    """Evidence by bundle URI. A spoilt bundle is refused; an absent one may come yet."""

    def __init__(self) -> None:
        self.evidence: dict[Uri, Evidence] = {}
        self.arrivals: dict[Uri, Arrival] = {}
        self.spoilt: set[Uri] = set()

    async def examine(self, run: TrainingRunSucceeded) -> Evidence:
        await self.verify(run.bundle_uri, run.bundle_digest)
        return self.evidence[run.bundle_uri]

    async def receive(self, command: ImportModelVersion) -> Arrival:
        await self.verify(command.bundle_uri, command.bundle_digest)
        return self.arrivals[command.bundle_uri]

    async def verify(self, uri: Uri, digest: Digest) -> None:
        if uri in self.spoilt:
            raise RejectedError("bundle_digest_mismatch", detail=uri)
        if uri not in self.evidence.keys() | self.arrivals.keys():
            raise TransientError("store_unreadable", detail=uri)
