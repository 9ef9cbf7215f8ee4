"""A small pipeline to run jobs on: the one that ``everloop new pipeline`` writes, with more or fewer of its rows."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from contracts.bundle import DatasetRef
from contracts.jobs import ChampionRef, TrainingReport, TrainingSpec
from contracts.pipeline import PipelineDefinition, Trainer, TrainerName
from contracts.training import CodeSnapshot
from everloop import storage
from everloop.bundle.code import load_pipeline, snapshot
from everloop.check import read_sample
from everloop.template import new_pipeline

RUN_ID = UUID("11111111-2222-4333-8444-555555555555")


@dataclass(frozen=True)
class Parcels:
    """The pipeline's folder, its rows in a Delta table and its code in a store, all below one directory."""

    folder: Path
    home: Path
    rows: pa.Table
    definition: PipelineDefinition
    code: CodeSnapshot

    @classmethod
    def make(cls, home: Path) -> "Parcels":
        folder = new_pipeline("parcels", home / "mine")
        pipeline = load_pipeline(folder)
        rows = read_sample(folder / "sample.csv", pipeline)
        write_deltalake(str(home / "lake"), rows)
        code = snapshot(folder)
        uri = storage.write_once(str(home / "code"), code, suffix=".zip")
        return cls(folder, home, rows, pipeline.definition, CodeSnapshot(uri=uri, digest=storage.digest(code)))

    @property
    def dataset(self) -> DatasetRef:
        """The newest version of the rows."""
        table = DeltaTable(str(self.home / "lake"))
        return DatasetRef(
            version=table.version() + 1,
            digest=storage.digest(b"rows"),
            table_uri=str(self.home / "lake"),
            delta_version=table.version(),
        )

    def spec(self, run: str = "run", **changes: object) -> TrainingSpec:
        """Pin a run; its output goes to a directory of its own."""
        spec = TrainingSpec(
            run_id=RUN_ID,
            definition=self.definition,
            dataset=self.dataset,
            code=self.code,
            parameters=self.definition.trainer.parameters,
            seed=self.definition.seed,
            output_uri=str(self.home / "runs" / run),
        )
        return spec.model_copy(update=changes)

    def torch_spec(self, run: str = "run", *, workers: int = 1, **parameters: bool | float | str) -> TrainingSpec:
        """Pin a run of the torch trainer."""
        trainer = Trainer(name=TrainerName.TORCH, parameters=parameters, workers=workers, cpus_per_worker=0.5)
        definition = self.definition.model_copy(update={"trainer": trainer})
        return self.spec(run, definition=definition, parameters=parameters)


def champion(report: TrainingReport) -> ChampionRef:
    """Make a finished run the champion."""
    return ChampionRef(version=1, bundle_uri=report.bundle_uri, bundle_digest=report.bundle_digest)
