"""A bundle on disk with a reference in it, as far as monitoring reads one."""

from pathlib import Path
from uuid import UUID

from contracts.bundle import (
    MANIFEST,
    BundleFile,
    DatasetRef,
    DataType,
    FileEntry,
    Lineage,
    Manifest,
    Signature,
    TensorSpec,
)
from contracts.pipeline import Objective
from contracts.profile import Reference
from everloop import storage
from everloop.bundle.manifest import canonical
from tests.fakes.monitoring import examples


def write_bundle(folder: Path, reference: Reference) -> tuple[str, str]:
    """Write the manifest and the reference; gives the bundle's URI and digest."""
    uri, content = str(folder), canonical(reference)
    score = TensorSpec(name="score", datatype=DataType.FP64)
    manifest = Manifest(
        pipeline=examples.PIPELINE,
        objective=Objective.BINARY_CLASSIFICATION,
        signature=Signature(inputs=(TensorSpec(name="amount", datatype=DataType.FP64),), outputs=(score,)),
        lineage=Lineage(
            run_id=UUID(int=1),
            dataset=DatasetRef(version=1, digest=examples.digest(), table_uri="/lake", delta_version=0),
            code_digest=examples.digest(),
            environment_digest=examples.digest(),
            parameters={},
            seed=1,
        ),
        files=(FileEntry(path=BundleFile.REFERENCE, digest=storage.digest(content), size_bytes=len(content)),),
    )
    storage.write_bytes(storage.join(uri, BundleFile.REFERENCE), content)
    storage.write_bytes(storage.join(uri, MANIFEST), canonical(manifest))
    return uri, storage.digest(canonical(manifest))
