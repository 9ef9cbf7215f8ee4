"""Put a verified archive into a store, where the run it came from would have left its files."""

from dataclasses import dataclass

from contracts.archive import BUNDLE, RECORD, REPORT, ArchivedFile
from contracts.bundle import MANIFEST
from contracts.model import Digest, Uri
from everloop import storage
from everloop.archive.errors import ArchiveError
from everloop.archive.reading import Archive


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an archive's files are now."""

    bundle_uri: Uri
    bundle_digest: Digest
    report_uri: Uri
    report_digest: Digest
    record_uri: Uri
    record_digest: Digest


def place(archive: Archive, store_uri: Uri) -> Placed:
    """Write the members of a verified archive below ``runs/<run id>/`` of a store.

    What is there already with the same bytes is left alone, so an import that was interrupted goes on. The bundle's
    manifest comes last: until it is there, there is no bundle.

    Raises:
        ArchiveError: Other bytes are where a member belongs, or a member is not what its digest says.
        StorageError: The store can't be written.
    """
    root = storage.join(store_uri, "runs", str(archive.index.run_id))
    files = {file.path: file for file in archive.index.files}
    missing = [file for file in files.values() if not _there(file, root)]
    for file in sorted(missing, key=lambda file: (file.path == f"{BUNDLE}/{MANIFEST}", file.path)):
        with storage.writing(storage.join(root, file.path)) as target:
            for chunk in archive.chunks(file):
                target.write(chunk)
    return Placed(
        bundle_uri=storage.join(root, BUNDLE),
        bundle_digest=archive.index.bundle_digest,
        report_uri=storage.join(root, REPORT),
        report_digest=files[REPORT].digest,
        record_uri=storage.join(root, RECORD),
        record_digest=files[RECORD].digest,
    )


def _there(file: ArchivedFile, root: Uri) -> bool:
    uri = storage.join(root, file.path)
    if not storage.exists(uri):
        return False
    if (found := storage.digest_at(uri)) != file.digest:
        raise ArchiveError(f"other bytes are at {uri}: {found}, not {file.digest}; nothing was written")
    return True
