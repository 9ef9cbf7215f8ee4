"""Bundles on storage: written once, manifest last; read only where every digest agrees."""

import json
from collections.abc import Mapping

from pydantic import ValidationError

from contracts.bundle import MANIFEST, BundleFile, FileEntry, Lineage, Manifest, Signature
from contracts.model import Contract, Digest, Uri
from contracts.pipeline import PipelineDefinition
from everloop import storage


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
    if missing := {file.value for file in BundleFile} - set(files):
        raise BundleError("incomplete", f"a bundle also needs {', '.join(sorted(missing))}")
    manifest = Manifest(
        pipeline=definition.name,
        objective=definition.objective,
        signature=signature,
        lineage=lineage,
        files=tuple(
            FileEntry(path=path, digest=storage.digest(content), size_bytes=len(content))
            for path, content in sorted(files.items())
        ),
    )
    for path, content in sorted(files.items()):
        storage.write_bytes(storage.join(uri, path), content)
    written = canonical(manifest)
    storage.write_bytes(storage.join(uri, MANIFEST), written)
    return storage.digest(written)


def read_manifest(uri: Uri, digest: Digest | None) -> Manifest:
    """Read a bundle's manifest.

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
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BundleError("manifest_invalid", f"{uri}: {error}") from error


def read_file(uri: Uri, manifest: Manifest, path: str) -> bytes:
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


def verify(uri: Uri, digest: Digest | None) -> Manifest:
    """Read every file of a bundle and hold it against its digest.

    Raises:
        BundleError: A file every bundle has is missing, or any file's bytes are others.
        StorageError: A file cannot be read.
    """
    manifest = read_manifest(uri, digest)
    if missing := {file.value for file in BundleFile} - {entry.path for entry in manifest.files}:
        raise BundleError("incomplete", f"{uri} lacks {', '.join(sorted(missing))}")
    for entry in manifest.files:
        read_file(uri, manifest, entry.path)
    return manifest
