"""What goes into a version's archive, and where it is."""

import re

from contracts.archive import BUNDLE, DATASET, RECORD, REPORT, SPEC, VersionRecord
from contracts.bundle import MANIFEST, DatasetRef
from contracts.model import Digest, Uri
from everloop import storage
from everloop.archive.errors import ArchiveError
from everloop.bundle.manifest import canonical, verify
from everloop.rebuild import missing_rows, rows_of

Content = bytes | Uri
"""Of a member: the bytes themselves, or where they are."""

LOG = "_delta_log"
_COMMIT = re.compile(r"^(?P<version>\d{20})\.(json|checkpoint(\.\d+\.\d+)?\.parquet)$")


def contents_of(bundle_uri: Uri, digest: Digest, record: VersionRecord) -> dict[str, Content]:
    """List the members of a version's archive.

    Args:
        bundle_uri: Directory of the version's bundle; its run's spec and report lie beside it.
        digest: The bundle's digest.
        record: What the registry knows.

    Raises:
        ArchiveError: Rows of its dataset version are missing.
        BundleError: The bundle is not what its digest says.
        StorageError: It, or the run's spec or report, can't be read.
    """
    manifest = verify(bundle_uri, digest)
    run_uri = bundle_uri.rstrip("/").rpartition("/")[0]
    members: dict[str, Content] = {
        f"{BUNDLE}/{name}": storage.join(bundle_uri, name)
        for name in (MANIFEST, *(entry.path for entry in manifest.files))
    }
    dataset = rows_of(bundle_uri, manifest.lineage.dataset)
    if faults := missing_rows(dataset):
        raise ArchiveError(f"dataset version {dataset.version} is not whole: {'; '.join(faults)}")
    members |= {f"{DATASET}/{path}": uri for path, uri in _rows(dataset).items()}
    members |= {name: storage.join(run_uri, name) for name in (SPEC, REPORT)}
    return members | {RECORD: canonical(record)}


def _rows(dataset: DatasetRef) -> dict[str, Uri]:
    """List the files of a Delta table that its version needs: the log up to it, and the rows it still holds."""
    import pyarrow as pa
    from deltalake import DeltaTable

    root = dataset.table_uri.rstrip("/")
    log = {
        f"{LOG}/{name}": storage.join(root, LOG, name)
        for name in storage.list(storage.join(root, LOG))
        if (commit := _COMMIT.match(name)) and int(commit["version"]) <= dataset.delta_version
    }
    added = pa.table(DeltaTable(root, version=dataset.delta_version).get_add_actions(flatten=True))
    return log | {path: storage.join(root, path) for path in added["path"].to_pylist()}
