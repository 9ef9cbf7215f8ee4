"""Runs that left real files: a report and a bundle whose digests agree."""

from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from contracts.bundle import BundleFile, Environment
from contracts.training import TrainingRunSucceeded
from everloop import storage
from everloop.bundle.manifest import canonical, write_bundle
from tests.contracts import examples
from tests.fakes.registry.examples import manifest, report, run_id, run_succeeded


def leave_run(store: Path, number: int = 1, **found: Any) -> TrainingRunSucceeded:
    """Write what a run leaves, and give the event that tells of it.

    Args:
        store: Root of the store.
        number: Of the run.
        found: Fields of the report, such as ``metrics``.
    """
    root = str(store / "runs" / str(run_id(number)))
    bundle_uri = storage.join(root, "bundle")
    files = {file.value: f"{file.value} of run {number}".encode() for file in BundleFile}
    files[BundleFile.CODE] = _code(number)
    files[BundleFile.DEFINITION] = canonical(examples.definition())
    files[BundleFile.ENVIRONMENT] = canonical(Environment(python="3.11.7", platform="linux-x86_64", packages={}))
    lineage = manifest(number).lineage.model_copy(
        update={
            "environment_digest": storage.digest(files[BundleFile.ENVIRONMENT]),
            "code_digest": storage.digest(files[BundleFile.CODE]),
        }
    )
    digest = write_bundle(
        bundle_uri, files, definition=examples.definition(), signature=manifest().signature, lineage=lineage
    )
    told = report(
        number,
        bundle_uri=bundle_uri,
        bundle_digest=digest,
        model_digest=storage.digest(files[BundleFile.MODEL]),
        **found,
    )
    content = told.model_dump_json().encode()
    report_uri = storage.join(root, "report.json")
    storage.write_bytes(report_uri, content)
    return run_succeeded(
        number,
        report_uri=report_uri,
        report_digest=storage.digest(content),
        bundle_uri=bundle_uri,
        bundle_digest=digest,
        metrics=told.metrics,
    )


def _code(number: int) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr(ZipInfo("pipeline/pipeline.py"), f"run = {number}\n")
    return buffer.getvalue()
