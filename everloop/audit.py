"""Hold everything a platform keeps against its digest, and say of each version what keeps it from being built again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.bundle import BundleFile, DatasetRef, LoggedManifest
from contracts.ingestion import IngestMode
from contracts.model import Digest, Uri
from everloop import storage
from everloop.bundle.manifest import BundleError, read_file, read_manifest, verify_contents
from everloop.rebuild import environment_differences, missing_rows, rows_of


class Kind(StrEnum):
    """What is checked."""

    RAW = "raw file"
    CODE = "code"
    DATASET = "dataset"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to be checked; ``faults`` reads it, all of it, and names what is wrong."""

    kind: Kind
    name: str
    uri: Uri
    faults: Callable[[], tuple[str, ...]]


def store_checks(store_uri: Uri) -> Iterator[Check]:
    """List what lies in a store under its own digest: raw files and code."""
    for kind, folder, ending in ((Kind.RAW, "raw", ""), (Kind.CODE, "code", ".zip")):
        for name in storage.list(storage.join(store_uri, folder)):
            uri = storage.join(store_uri, folder, name)
            yield Check(kind, name, uri, _named(uri, f"sha256:{name.removesuffix(ending)}"))


def version_check(model: str, version: Mapping[str, Any]) -> Check:
    """Check a version's bundle: every file of it, and the rows it learned from.

    Args:
        model: Its name.
        version: As the registry shows it.
    """
    uri, digest = version["bundle_uri"], version["bundle_digest"]
    return Check(Kind.BUNDLE, f"{model} {version['version']}", uri, lambda: _bundle(uri, digest))


def dataset_checks(pipeline: str, versions: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    """List the versions of a dataset: each is named by its raw files, and its table must hold its rows.

    Rows in a table have no digest of their own. Their files must be there, as large as the table's log says, and hold
    as many rows.

    Args:
        pipeline: Whose dataset it is.
        versions: As ingestion shows them.
    """
    before: Digest | None = None
    for version in sorted(versions, key=lambda version: int(version["version"])):
        uri = f"{version['table_uri']} @ {version['delta_version']}"
        yield Check(Kind.DATASET, f"{pipeline} {version['version']}", uri, _rows(version, before))
        before = version["digest"]


def obstacles(bundle_uri: Uri, digest: Digest) -> tuple[str, ...]:
    """Name what keeps a version from being built again here, byte for byte; nothing where it could be.

    Whether its trainer gives the same bytes twice shows only when it is built again.
    """
    try:
        manifest = read_manifest(bundle_uri, digest)
        read_file(bundle_uri, manifest, BundleFile.CODE)
        dataset = rows_of(bundle_uri, manifest.lineage.dataset)
        software = environment_differences(bundle_uri, manifest)
    except (BundleError, storage.StorageError) as error:
        return (str(error),)
    return (*missing_rows(dataset), *(f"other software: {difference}" for difference in software))


def _named(uri: Uri, digest: Digest) -> Callable[[], tuple[str, ...]]:
    def faults() -> tuple[str, ...]:
        try:
            found = storage.digest_at(uri)
        except storage.StorageError as error:
            return (str(error),)
        return () if found == digest else (f"is {found}, expected {digest}",)

    return faults


def _bundle(uri: Uri, digest: Digest) -> tuple[str, ...]:
    try:
        manifest = verify_contents(uri, digest)
    except (BundleError, storage.StorageError) as error:
        return (str(error),)
    if isinstance(manifest, LoggedManifest):
        return ()
    return missing_rows(rows_of(uri, manifest.lineage.dataset))


def _rows(version: Mapping[str, Any], before: Digest | None) -> Callable[[], tuple[str, ...]]:
    def faults() -> tuple[str, ...]:
        from services.ingestion.domain import chain_digest

        found = []
        chained = chain_digest(before, version["raw_digest"], IngestMode(version["mode"]))
        if chained != version["digest"]:
            found.append(f"its raw files make {chained}, expected {version['digest']}")
        if not storage.exists(version["raw_uri"]):
            found.append(f"its raw file {version['raw_uri']} is gone")
        dataset = DatasetRef(
            version=version["version"],
            digest=version["digest"],
            table_uri=version["table_uri"],
            delta_version=version["delta_version"],
        )
        return (*found, *(missing_rows(dataset) or _counted(dataset, version["rows"])))

    return faults


def _counted(dataset: DatasetRef, rows: int) -> tuple[str, ...]:
    """Hold a table's files against its log. None of them may be missing."""
    import pyarrow as pa
    from deltalake import DeltaTable

    table = DeltaTable(dataset.table_uri, version=dataset.delta_version)
    found = []
    for file in pa.table(table.get_add_actions(flatten=True)).select(["path", "size_bytes"]).to_pylist():
        uri = storage.join(dataset.table_uri, file["path"])
        entry = storage.find(uri)
        if entry is None or entry.size_bytes != file["size_bytes"]:
            found.append(f"{uri} has {entry.size_bytes if entry else 0} bytes, {file['size_bytes']} were written")
    if found:
        return tuple(found)
    try:
        counted = table.to_pyarrow_dataset().count_rows()
    except (pa.ArrowException, OSError) as error:
        return (f"its rows can't be read: {error}",)
    return () if counted == rows else (f"its table holds {counted} rows, expected {rows}",)
