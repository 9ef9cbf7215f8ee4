"""Where the files of a logged version are, among those that the registry keeps."""

from urllib.parse import urlsplit

from services.chassis.errors import MalformedError
from services.chassis.work import Transaction
from services.registry.artifacts.domain import SCHEME, below, checked
from services.registry.models.domain import VersionEntry
from services.registry.models.sources import RUNS
from services.registry.tracking.ports import Runs


async def path_of(version: VersionEntry, tx: Transaction) -> str | None:
    """Find a version's files below the root of artifacts; None if they are kept elsewhere."""
    try:
        match urlsplit(version.location):
            case parts if parts.scheme == SCHEME:
                return checked(parts.path.strip("/"))
            case parts if parts.scheme == RUNS:
                run_id, _, path = parts.path.strip("/").partition("/")
                run = await tx.port(Runs).get(run_id)
                return below(run.artifact_uri, path) if run else None
    except MalformedError:
        return None
    return None
