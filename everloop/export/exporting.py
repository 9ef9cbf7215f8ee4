"""Write a bundle in another form: everything is there and answers as the bundle does, or nothing is there."""

import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import numpy as np

from contracts.bundle import MANIFEST
from contracts.model import Digest
from everloop import storage
from everloop.bundle.manifest import read_file, verify
from everloop.bundle.model import Model, Scores
from everloop.export.source import ExportError, Source


class Form(StrEnum):
    """What a bundle can be written as."""

    ONNX = "onnx"
    MLFLOW = "mlflow"
    WHEEL = "wheel"


Exporter = Callable[[Source, Path], Scores]
"""Writes a form into an empty directory, and gives what it answers to the golden requests when it is used alone."""


def export(form: Form, bundle_uri: str, digest: Digest | None, target: Path, *, version: int | None = None) -> Path:
    """Write a bundle in another form, and hold its answers against the bundle's, to the bit.

    Args:
        form: Which.
        bundle_uri: Directory of the bundle.
        digest: Its digest; None trusts the manifest that is there.
        target: A directory; for ``onnx`` and ``mlflow`` one that is empty or not there yet.
        version: Number in the registry, if it has one.

    Returns:
        What was written: the directory, or the wheel's file.

    Raises:
        BundleError: A digest disagrees.
        ExportError: The directory is taken or can't be written, or the answers differ.
        StorageError: The bundle can't be read.
    """
    if form is not Form.WHEEL and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target} is there already and not an empty directory; name another")
    source = _read(bundle_uri, digest, version)
    staging = target.absolute().parent / f".{target.name}.{uuid4().hex}"
    try:
        staging.mkdir(parents=True)
        answers, expected = _exporter(form)(source, staging), source.model.predict(source.model.golden.inputs)
        if not np.array_equal(answers, expected):
            raise ExportError(f"{source.title} answers otherwise as {form}; nothing was written")
        return _hand_out(form, staging, target)
    except OSError as error:
        raise ExportError(f"{target} can't be written: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _read(uri: str, digest: Digest | None, version: int | None) -> Source:
    manifest = verify(uri, digest)
    written = storage.read_bytes(storage.join(uri, MANIFEST))
    files = {entry.path: read_file(uri, manifest, entry.path) for entry in manifest.files}
    return Source(
        Model.load(uri, storage.digest(written)), storage.digest(written), version, {**files, MANIFEST: written}
    )


def _exporter(form: Form) -> Exporter:
    from everloop.export import mlflow, onnx, wheel

    match form:
        case Form.ONNX:
            return onnx.write
        case Form.MLFLOW:
            return mlflow.write
        case Form.WHEEL:
            return wheel.write


def _hand_out(form: Form, staging: Path, target: Path) -> Path:
    if form is not Form.WHEEL:
        return staging.replace(target)
    target.mkdir(parents=True, exist_ok=True)
    (wheel,) = staging.glob("*.whl")
    return wheel.replace(target / wheel.name)
