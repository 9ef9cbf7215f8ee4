"""Build a model version again from what was kept: its bundle, its dataset version, and nothing else.

The code snapshot runs in a process of its own, so that the very code that made the version makes it again.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.archive import DATASET
from contracts.bundle import MANIFEST, BundleFile, DatasetRef, Environment, GoldenRequests, Manifest
from contracts.jobs import TrainingReport, TrainingSpec
from contracts.model import Digest, Uri
from contracts.pipeline import PipelineDefinition
from contracts.training import CodeSnapshot
from everloop import storage
from everloop.bundle.code import PLATFORM, unpack
from everloop.bundle.manifest import read_file, read_manifest, verify


class RebuildError(Exception):
    """The version could not be built again; the message says why."""


class DifferentEnvironmentError(RebuildError):
    """Other software is installed than the version was built with."""

    def __init__(self, differences: tuple[str, ...]) -> None:
        super().__init__("the environment differs: " + "; ".join(differences))
        self.differences = differences


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A version and its rebuild, side by side."""

    expected_model_digest: Digest
    model_digest: Digest
    expected_bundle_digest: Digest
    bundle_digest: Digest
    bundle_uri: Uri
    golden_difference: float | None
    """Largest difference between the two versions' answers to the golden requests; None where these are gone."""
    allowed_difference: float
    """What the pipeline declares its trainer may differ by; 0: by nothing."""
    environment_differences: tuple[str, ...]
    report: TrainingReport

    @property
    def identical(self) -> bool:
        """Whether the model files are the same byte for byte."""
        return self.model_digest == self.expected_model_digest

    @property
    def equivalent(self) -> bool:
        """Whether they are the same, or answer alike as far as the pipeline asks for no more."""
        close = self.golden_difference is not None and self.golden_difference <= self.allowed_difference
        return self.identical or close

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the bytes are others, as far as can be told; none where they are the same."""
        if self.identical:
            return ()
        if self.environment_differences:
            return tuple(f"other software: {difference}" for difference in self.environment_differences)
        if self.report.device != "cpu":
            return (f"trained on {self.report.device}, which adds in an order of its own every time",)
        return ("its trainer or its features give another result every time: neither data, code, nor software differ",)


def rebuild(
    bundle_uri: Uri,
    digest: Digest,
    directory: Path,
    *,
    collected: bool = False,
    allow_different_environment: bool = False,
    timeout_s: float = 3600,
) -> Rebuilt:
    """Rebuild a version and compare.

    Args:
        bundle_uri: Directory of the version's bundle.
        digest: Its digest.
        directory: Where to work; the new bundle stays below it.
        collected: Of its files only those are there that tell what it was; the manifest has the others' digests.
        allow_different_environment: Go on although other software is installed.
        timeout_s: Longest the training may run.

    Raises:
        BundleError: The bundle is not what its digest says.
        DifferentEnvironmentError: Other software is installed, and that was not allowed.
        RebuildError: The training failed.
        StorageError: The bundle or the dataset is not there any more.
    """
    manifest = (read_manifest if collected else verify)(bundle_uri, digest)
    dataset = rows_of(bundle_uri, manifest.lineage.dataset)
    if faults := missing_rows(dataset):
        raise RebuildError(f"dataset version {dataset.version} can't be read: {'; '.join(faults)}")
    differences = environment_differences(bundle_uri, manifest)
    if differences and not allow_different_environment:
        raise DifferentEnvironmentError(differences)
    code = directory / "code"
    unpack(read_file(bundle_uri, manifest, BundleFile.CODE), code)
    spec = _spec(bundle_uri, manifest, dataset, directory, pinned=not differences)
    _train(spec, code / PLATFORM, directory, timeout_s)
    written = storage.read_bytes(storage.join(spec.output_uri, "report.json"))
    report = TrainingReport.model_validate_json(written)
    bundle_digest = _name_rows(report.bundle_uri, manifest.lineage.dataset)
    again = verify(report.bundle_uri, bundle_digest)
    return Rebuilt(
        expected_model_digest=manifest.entry(BundleFile.MODEL).digest,
        model_digest=again.entry(BundleFile.MODEL).digest,
        expected_bundle_digest=digest,
        bundle_digest=bundle_digest,
        bundle_uri=report.bundle_uri,
        golden_difference=None
        if collected
        else _golden_difference(_golden(bundle_uri, manifest), _golden(report.bundle_uri, again)),
        allowed_difference=spec.definition.trainer.max_rebuild_difference,
        environment_differences=differences,
        report=report,
    )


def rows_of(bundle_uri: Uri, dataset: DatasetRef) -> DatasetRef:
    """Find where the rows of a bundle lie: beside it where they came with it, else where they were first read."""
    beside = storage.join(bundle_uri.rstrip("/").rpartition("/")[0], DATASET)
    return dataset.model_copy(update={"table_uri": beside}) if storage.exists(beside) else dataset


def missing_rows(dataset: DatasetRef) -> tuple[str, ...]:
    """Name what keeps a dataset version from being read; nothing where all its files are there."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    place = f"{dataset.table_uri} @ {dataset.delta_version}"
    if not storage.exists(storage.join(dataset.table_uri, "_delta_log")):
        return (f"there is no table at {dataset.table_uri}",)
    try:
        files = sorted(DeltaTable(dataset.table_uri, version=dataset.delta_version).file_uris())
    except (DeltaError, OSError) as error:
        return (f"the log of {place} can't be read: {error}",)
    return tuple(f"{file} is gone" for file in files if not storage.exists(file))


def environment_differences(bundle_uri: Uri, manifest: Manifest) -> tuple[str, ...]:
    """Name what is installed here in other versions than when the bundle was made.

    Raises:
        BundleError: Its environment is not what its digest says.
        StorageError: It can't be read.
    """
    from ray_jobs import environment

    recorded = read_file(bundle_uri, manifest, BundleFile.ENVIRONMENT)
    return environment.differences(Environment.model_validate_json(recorded), environment.installed())


def _spec(bundle_uri: Uri, manifest: Manifest, dataset: DatasetRef, directory: Path, *, pinned: bool) -> TrainingSpec:
    lineage = manifest.lineage
    definition = read_file(bundle_uri, manifest, BundleFile.DEFINITION)
    code_uri = storage.join(bundle_uri, BundleFile.CODE)
    code = CodeSnapshot(uri=code_uri, digest=lineage.code_digest, commit=lineage.commit)
    if lineage.modified is not None:
        code = code.model_copy(update={"modified": lineage.modified})
    spec = TrainingSpec(
        run_id=lineage.run_id,
        definition=PipelineDefinition.model_validate_json(definition),
        dataset=dataset,
        code=code,
        parameters=lineage.parameters,
        seed=lineage.seed,
        output_uri=str((directory / "run").absolute()),
    )
    return spec.model_copy(update={"environment_digest": lineage.environment_digest}) if pinned else spec


def _train(spec: TrainingSpec, platform: Path, directory: Path, timeout_s: float) -> None:
    path = directory / "spec.json"
    # Only what is set: the snapshot may be older than a field that was added since.
    path.write_text(spec.model_dump_json(exclude_unset=True))
    environment = {**os.environ, "PYTHONPATH": str(platform.absolute())}
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours; the code it runs is the version's own
            [sys.executable, "-P", "-m", "ray_jobs.train", str(path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RebuildError(f"training ran longer than {timeout_s:g} s") from None
    if done.returncode:
        raise RebuildError(f"training ended with {done.returncode}: {done.stderr.strip()[-2000:]}")


def _name_rows(bundle_uri: Uri, dataset: DatasetRef) -> Digest:
    """Let a manifest name the rows as the first one did: where they were read from is no part of what they are.

    The document is changed as it is written, not as this version understands it: the code that wrote it may be older.
    """
    uri = storage.join(bundle_uri, MANIFEST)
    document = json.loads(storage.read_bytes(uri))
    document["lineage"]["dataset"]["table_uri"] = dataset.table_uri
    written = (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()
    storage.write_bytes(uri, written)
    return storage.digest(written)


def _golden(bundle_uri: Uri, manifest: Manifest) -> GoldenRequests:
    return GoldenRequests.model_validate_json(read_file(bundle_uri, manifest, BundleFile.GOLDEN))


def _golden_difference(one: GoldenRequests, other: GoldenRequests) -> float:
    if one.inputs != other.inputs:
        raise RebuildError("the golden requests differ: the dataset version does not hold the same rows any more")
    return float(np.max(np.abs(np.subtract(one.scores, other.scores))))
