"""The cells that the scores of two versions are compared in, from the reference in the champion's bundle."""

import asyncio

from pydantic import ValidationError

from contracts.bundle import BundleFile
from contracts.profile import NumericCells, Reference
from everloop.bundle.manifest import BundleError, read_file, read_manifest
from everloop.storage import StorageError
from services.chassis.errors import TransientError
from services.chassis.logs import Log

MOST_EDGES = 31

log = Log(__name__)


class BundleScoreCells:
    """Read from bundles, each file held against its digest."""

    async def edges(self, bundle_uri: str, bundle_digest: str) -> tuple[float, ...]:
        """Read a bundle's edges; none, and a line in the log, where it has none to be read."""
        try:
            return await asyncio.to_thread(_read, bundle_uri, bundle_digest)
        except StorageError as error:
            raise TransientError("bundle_unreadable", detail=str(error)) from error
        except (BundleError, ValidationError) as error:
            log.warning("scores can't be compared", bundle_uri=bundle_uri, detail=str(error))
            return ()


def _read(bundle_uri: str, bundle_digest: str) -> tuple[float, ...]:
    manifest = read_manifest(bundle_uri, bundle_digest)
    cells = Reference.model_validate_json(read_file(bundle_uri, manifest, BundleFile.REFERENCE)).score.cells
    edges = cells.edges if isinstance(cells, NumericCells) else ()
    step = -(-len(edges) // MOST_EDGES) or 1
    return edges[::step]
