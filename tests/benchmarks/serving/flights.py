"""The model: the shipped flight pipeline, trained on two real months of flights, and real rows of the next to ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake

from contracts.bundle import BundleFile, DatasetRef, Preparation
from contracts.jobs import TrainingSpec
from contracts.pipeline import PipelineDefinition
from contracts.training import CodeSnapshot
from everloop import storage
from everloop.bundle.code import load_pipeline, snapshot
from everloop.bundle.manifest import read_file, read_manifest
from everloop.bundle.model import Model, Scorer
from everloop.bundle.rows import feature_rows, signature_of
from everloop.check import read_sample
from ray_jobs import pipelines
from ray_jobs.pipelines.flight_delays.source import batches
from ray_jobs.train import train
from tests.benchmarks.serving.questions import Columns

RUN_ID = UUID(int=20130101)
FOLDER = Path(pipelines.__path__[0]) / "flight_delays"


@dataclass(frozen=True)
class Flights:
    """A bundle, and rows without any missing value: not every peer's protocol has one."""

    definition: PipelineDefinition
    bundle_uri: str
    bundle_digest: str
    rows: pa.Table

    @property
    def datatypes(self) -> Mapping[str, str]:
        """Datatype of each column under the Open Inference Protocol."""
        return {spec.name: spec.datatype.value for spec in signature_of(self.definition.dataset).inputs}

    def score(self, rows: pa.Table) -> float:
        """Give the right answer to the first row."""
        return float(self.model.predict_table(rows)[0])

    def prepared(self, columns: Columns, _: Mapping[str, str]) -> dict[str, Any]:
        """Ask with the matrix that the model file takes, as a form of question."""
        matrix = self.scorer.matrix(feature_rows(columns, self.definition.dataset))
        tensor = {"name": "matrix", "datatype": "FP32", "shape": list(matrix.shape), "data": matrix.tolist()}
        return {"inputs": [tensor]}

    @cached_property
    def scorer(self) -> Scorer:
        """The model file, as the bundle runs it."""

        def read(file: BundleFile) -> bytes:
            return read_file(self.bundle_uri, read_manifest(self.bundle_uri, self.bundle_digest), file.value)

        preparation = Preparation.model_validate_json(read(BundleFile.PREPARATION))
        return Scorer(load_pipeline(FOLDER).features, preparation, read(BundleFile.MODEL))

    @cached_property
    def model(self) -> Model:
        """The bundle, as people run it."""
        return Model.load(self.bundle_uri, self.bundle_digest)


def prepare(directory: Path) -> Flights:
    """Train the model below a directory."""
    pipeline = load_pipeline(FOLDER)
    january, february, march = (read_sample(path, pipeline) for path in batches(directory, months=(1, 2, 3)))
    lake, code = str(directory / "lake"), snapshot(FOLDER)
    write_deltalake(lake, pa.concat_tables([january, february]))
    digest = storage.digest(code)
    report = train(
        TrainingSpec(
            run_id=RUN_ID,
            definition=pipeline.definition,
            dataset=DatasetRef(version=1, digest=digest, table_uri=lake, delta_version=0),
            code=CodeSnapshot(uri=storage.write_once(str(directory / "code"), code, suffix=".zip"), digest=digest),
            parameters=pipeline.definition.trainer.parameters,
            seed=pipeline.definition.seed,
            output_uri=str(directory / "run"),
        )
    )
    names = [column.name for column in pipeline.definition.dataset.features]
    asked = march.select(names)
    complete = [pc.is_valid(asked[name]) for name in names]
    mask = complete[0]
    for one in complete[1:]:
        mask = pc.and_(mask, one)
    return Flights(pipeline.definition, report.bundle_uri, report.bundle_digest, asked.filter(mask).combine_chunks())
