"""Bundles on storage: written once, manifest last; read only where every digest agrees."""

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from contracts.bundle import (
    MANIFEST,
    BundleFile,
    Contents,
    FileEntry,
    Lineage,
    LoggedFile,
    LoggedManifest,
    LoggedOrigin,
    Manifest,
    ModelFormat,
    Signature,
)
from contracts.model import Contract, Digest, Uri
from contracts.pipeline import PipelineDefinition
from everloop import storage

EVERY_FILE = frozenset(file.value for file in BundleFile)
LOGGED_FILES = frozenset({LoggedFile.DESCRIPTION.value, LoggedFile.CARD.value})
MODEL_FILES = {ModelFormat.ONNX: LoggedFile.MODEL, ModelFormat.LIGHTGBM: LoggedFile.TREES}
"""Of what was logged, by format."""
UNTOLD = "nothing tells its data and its code, so it can't be built again"
_ANY: TypeAdapter[Manifest | LoggedManifest] = TypeAdapter(Manifest | LoggedManifest)


class Place(NamedTuple):
    """Where a bundle is, and which."""

    uri: Uri
    digest: Digest


class BundleError(Exception):
    """A bundle that must not be used."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(f"{slug.replace('_', ' ')}: {detail}")
        self.slug = slug
        self.detail = detail

    def __reduce__(self) -> tuple[type["BundleError"], tuple[str, str]]:
        """Survive the way from a Ray worker, which pickles exceptions."""
        return BundleError, (self.slug, self.detail)


def canonical(document: Contract) -> bytes:
    """Write a contract as the same bytes every time: sorted keys, two spaces, a final newline."""
    return (json.dumps(document.model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def write_bundle(
    uri: Uri,
    files: Mapping[str, bytes],
    *,
    definition: PipelineDefinition,
    signature: Signature,
    lineage: Lineage,
) -> Digest:
    """Write a bundle's files, then its manifest; until that is there, there is no bundle.

    Args:
        uri: Directory of the bundle.
        files: Every file but the manifest, by name.
        definition: The pipeline as it was when the model was trained.
        signature: What the model is asked with and answers.
        lineage: Where it came from.

    Returns:
        The bundle's digest: that of the manifest's bytes, which hold nothing but content, so that the same
        model gives the same digest.

    Raises:
        BundleError: A file every bundle has is missing.
        StorageError: The place cannot be written.
    """
    _complete(EVERY_FILE, files, "a bundle")
    manifest = Manifest(
        pipeline=definition.name,
        objective=definition.objective,
        signature=signature,
        lineage=lineage,
        files=_entries(files),
    )
    return _write(uri, files, manifest)


def write_logged(
    store_uri: Uri,
    files: Mapping[str, bytes],
    *,
    kind: ModelFormat,
    signature: Signature,
    logged: LoggedOrigin,
) -> Place:
    """Write a bundle of what a client logged, under its own digest.

    Args:
        store_uri: Directory of such bundles.
        files: Every file but the manifest, by name.
        kind: How the model file is read.
        signature: What the model is asked with and answers.
        logged: Where it came from.

    Raises:
        BundleError: A file every such bundle has is missing.
        StorageError: The place cannot be written.
    """
    manifest = LoggedManifest(format=kind, signature=signature, logged=logged, files=_entries(files))
    _check_names("a bundle", manifest)
    uri = storage.join(store_uri, storage.digest(canonical(manifest)).removeprefix("sha256:"))
    return Place(uri, _write(uri, files, manifest))


def read_contents(uri: Uri, digest: Digest | None) -> Manifest | LoggedManifest:
    """Read the manifest of any bundle.

    Args:
        uri: Directory of the bundle.
        digest: What the bundle is expected to be; None trusts what is there.

    Raises:
        BundleError: It is unreadable, or another bundle than expected.
        StorageError: It is not there.
    """
    content = storage.read_bytes(storage.join(uri, MANIFEST))
    if digest is not None and (found := storage.digest(content)) != digest:
        raise BundleError("digest_mismatch", f"the manifest of {uri} is {found}, expected {digest}")
    try:
        return _ANY.validate_json(content)
    except ValidationError as error:
        raise BundleError("manifest_invalid", f"{uri}: {error}") from error


def read_manifest(uri: Uri, digest: Digest | None) -> Manifest:
    """Read the manifest of a bundle that a pipeline's run left; as `read_contents`.

    Raises:
        BundleError: It is unreadable, another bundle than expected, or made of what was only logged.
        StorageError: It is not there.
    """
    return _of_a_run(uri, read_contents(uri, digest))


def read_file(uri: Uri, manifest: Contents, path: str) -> bytes:
    """Read one file of a bundle.

    Raises:
        BundleError: The manifest does not list it, or its bytes are others.
        StorageError: It is not there.
    """
    try:
        entry = manifest.entry(path)
    except KeyError:
        raise BundleError("file_missing", f"{uri} lists no {path}") from None
    content = storage.read_bytes(storage.join(uri, path))
    if (found := storage.digest(content)) != entry.digest:
        raise BundleError("digest_mismatch", f"{path} of {uri} is {found}, expected {entry.digest}")
    return content


def read_files(uri: Uri, manifest: Manifest | LoggedManifest) -> dict[str, bytes]:
    """Read every file of a bundle and hold it against its digest.

    Raises:
        BundleError: A file every bundle has is missing, or any file's bytes are others.
        StorageError: A file cannot be read.
    """
    _check_names(uri, manifest)
    return {entry.path: read_file(uri, manifest, entry.path) for entry in manifest.files}


def verify(uri: Uri, digest: Digest | None) -> Manifest:
    """Verify a bundle that a pipeline's run left; as `verify_contents`.

    Raises:
        BundleError: A digest disagrees, a file every bundle has is missing, or it is made of what was only logged.
        StorageError: A file cannot be read.
    """
    return _of_a_run(uri, verify_contents(uri, digest))


def verify_contents(uri: Uri, digest: Digest | None) -> Manifest | LoggedManifest:
    """Read every file of any bundle and hold it against its digest.

    Raises:
        BundleError: A file every bundle has is missing, or any file's bytes are others.
        StorageError: A file cannot be read.
    """
    manifest = read_contents(uri, digest)
    _check_names(uri, manifest)
    for entry in manifest.files:
        read_file(uri, manifest, entry.path)
    return manifest


def _of_a_run(uri: Uri, manifest: Manifest | LoggedManifest) -> Manifest:
    if isinstance(manifest, LoggedManifest):
        raise BundleError("only_logged", f"{uri} is what an MLflow client logged; {UNTOLD}")
    return manifest


def _check_names(uri: Uri, manifest: Manifest | LoggedManifest) -> None:
    needed = EVERY_FILE
    if isinstance(manifest, LoggedManifest):
        needed = LOGGED_FILES | {MODEL_FILES[manifest.format]}
    _complete(needed, {entry.path for entry in manifest.files}, uri)


def _complete(needed: Collection[str], found: Collection[str], what: str) -> None:
    if missing := set(needed) - set(found):
        raise BundleError("incomplete", f"{what} lacks {', '.join(sorted(missing))}")


def _entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    return tuple(
        FileEntry(path=path, digest=storage.digest(content), size_bytes=len(content))
        for path, content in sorted(files.items())
    )


def _write(uri: Uri, files: Mapping[str, bytes], manifest: Contents) -> Digest:
    for path, content in sorted(files.items()):
        storage.write_bytes(storage.join(uri, path), content)
    written = canonical(manifest)
    storage.write_bytes(storage.join(uri, MANIFEST), written)
    return storage.digest(written)
