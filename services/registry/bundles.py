"""Bundles and reports, read from the artifact store."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import ValidationError

from contracts.archive import VersionRecord
from contracts.bundle import BundleFile, Manifest
from contracts.jobs import TrainingReport
from contracts.model import Contract, Digest, Uri
from contracts.pipeline import PipelineDefinition
from contracts.registry import ImportModelVersion
from contracts.training import TrainingRunSucceeded
from everloop import storage
from everloop.bundle.manifest import BundleError, read_file, verify
from services.chassis.errors import RejectedError, TransientError
from services.registry.domain import Arrival, Evidence

D = TypeVar("D", bound=Contract)
Check = Callable[[Uri, Digest], Manifest]
_NOUNS: dict[type[Contract], str] = {
    PipelineDefinition: "definition",
    TrainingReport: "report",
    VersionRecord: "record",
}


class StoredBundles:
    """Bundles where their URIs say they are.

    Args:
        check: Reads a manifest, and verifies what it names: all of it, or only what is read.
    """

    def __init__(self, check: Check = verify) -> None:
        self._check = check

    async def examine(self, run: TrainingRunSucceeded) -> Evidence:
        """Read what a run left, and verify every digest."""
        return await asyncio.to_thread(_examine, run, self._check)

    async def receive(self, command: ImportModelVersion) -> Arrival:
        """Read what came from another registry, and verify every digest."""
        return await asyncio.to_thread(_receive, command, self._check)

    async def verify(self, uri: Uri, digest: Digest) -> None:
        """Read a whole bundle again, and verify every digest."""
        await asyncio.to_thread(_verify, uri, digest)


def _examine(run: TrainingRunSucceeded | ImportModelVersion, check: Check) -> Evidence:
    with _explained():
        report = _read_document(TrainingReport, run.report_uri, run.report_digest)
        manifest = check(run.bundle_uri, run.bundle_digest)
        card = read_file(run.bundle_uri, manifest, BundleFile.CARD).decode(errors="replace")
    return Evidence(manifest=manifest, report=report, card=card)


def _receive(command: ImportModelVersion, check: Check) -> Arrival:
    evidence = _examine(command, check)
    with _explained():
        definition = read_file(command.bundle_uri, evidence.manifest, BundleFile.DEFINITION)
        record = _read_document(VersionRecord, command.record_uri, command.record_digest)
    return Arrival(evidence, _parsed(PipelineDefinition, definition, command.bundle_uri), record)


def _verify(uri: Uri, digest: Digest) -> None:
    with _explained():
        verify(uri, digest)


def _read_document(kind: type[D], uri: Uri, digest: Digest) -> D:
    content = storage.read_bytes(uri)
    if (found := storage.digest(content)) != digest:
        raise RejectedError(f"{_NOUNS[kind]}_digest_mismatch", uri=uri, expected=digest, found=found)
    return _parsed(kind, content, uri)


def _parsed(kind: type[D], content: bytes, uri: Uri) -> D:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise RejectedError(f"{_NOUNS[kind]}_invalid", uri=uri, detail=error) from error


@contextmanager
def _explained() -> Iterator[None]:
    """Tell a bundle that must not be used from a store that does not answer."""
    try:
        yield
    except BundleError as error:
        raise RejectedError(f"bundle_{error.slug}", detail=error.detail) from error
    except storage.StorageError as error:
        raise TransientError("store_unreadable", detail=error) from error
