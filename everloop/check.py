"""Check a pipeline on a sample, without any service: what would fail in production fails here first."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar
from uuid import UUID

import numpy as np
import pyarrow as pa

from contracts.bundle import DatasetRef
from contracts.gates import AbsoluteGate, ChampionGate, SliceGate
from contracts.jobs import TrainingReport, TrainingSpec
from contracts.training import CodeSnapshot
from everloop import storage
from everloop.bundle.code import SAMPLES, load_pipeline, snapshot
from everloop.bundle.model import Model
from everloop.bundle.rows import arrow_schema
from everloop.sdk import Pipeline

T = TypeVar("T")
SINGLE_ROWS = 50
RUN_ID = UUID(int=0)


class CheckError(Exception):
    """What a step found wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried."""

    name: str
    passed: bool
    detail: str
    seconds: float


@dataclass(slots=True)
class CheckReport:
    """What was tried, in order; the first step that fails is the last one."""

    steps: list[Step] = field(default_factory=list)
    training: TrainingReport | None = None

    @property
    def passed(self) -> bool:
        """Whether every step passed."""
        return all(step.passed for step in self.steps)


def check(folder: Path, sample: Path | None = None) -> CheckReport:
    """Run a pipeline from its file to its answers.

    Args:
        folder: Holds ``pipeline.py``.
        sample: A Parquet or CSV file of rows; unset: ``sample.parquet`` or ``sample.csv`` in the folder.
    """
    report = CheckReport()
    with TemporaryDirectory(prefix="everloop-check-") as directory, suppress(_FailedError):
        pipeline = _step(report, "pipeline.py is a pipeline", lambda: load_pipeline(folder), _describe)
        rows = _step(
            report,
            "the sample keeps the contract",
            lambda: read_sample(_sample(folder, sample), pipeline),
            lambda table: f"{table.num_rows} rows",
        )
        _step(report, "a row alone gets the features it gets among others", lambda: _row_by_row(pipeline, rows), str)
        training = _step(
            report, "it trains on the sample", lambda: _trained(folder, pipeline, rows, Path(directory)), _measured
        )
        report.training = training
        _step(report, "every gate finds what it asks for", lambda: _gates(training, pipeline), str)
        _step(report, "the model answers the same once stored", lambda: _answers(training, rows), str)
    return report


def read_sample(path: Path, pipeline: Pipeline) -> pa.Table:
    """Read rows in the declared types.

    Raises:
        CheckError: The file lacks a column, or a value is not of its column's type.
    """
    from pyarrow import csv, parquet

    schema = arrow_schema(pipeline.definition.dataset)
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(schema.names, pa.string()),
        null_values=["", "NA"],
        strings_can_be_null=True,
    )
    table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path, convert_options=options)
    if missing := [name for name in schema.names if name not in table.column_names]:
        raise CheckError(f"{path.name} lacks {', '.join(missing)}")
    rows = pa.table({column.name: _cast(table[column.name], column) for column in schema})
    for column in pipeline.definition.dataset.columns:
        if rows[column.name].null_count and not column.nullable:
            raise CheckError(f"{column.name} holds null and is not nullable")
    return rows


def _cast(values: pa.ChunkedArray, column: pa.Field) -> pa.ChunkedArray:
    try:
        return values.cast(column.type)
    except pa.ArrowException as error:
        raise CheckError(f"{column.name} is no {column.type}: {error}") from error


def _sample(folder: Path, sample: Path | None) -> Path:
    for path in (sample,) if sample else tuple(folder / name for name in SAMPLES):
        if path.is_file():
            return path
    raise CheckError(f"there is no sample: put {' or '.join(SAMPLES)} into {folder}, or name a file of rows")


def _row_by_row(pipeline: Pipeline, rows: pa.Table) -> str:
    names = [column.name for column in pipeline.definition.dataset.features]
    picked = rows.select(names).take(np.linspace(0, rows.num_rows - 1, min(SINGLE_ROWS, rows.num_rows)).astype(int))
    whole = pipeline.features(picked)
    if whole.num_rows != picked.num_rows:
        raise CheckError(f"{picked.num_rows} rows became {whole.num_rows}; features must keep every row")
    for place in range(picked.num_rows):
        alone = pipeline.features(picked.slice(place, 1)).to_pylist()[0]
        among = whole.slice(place, 1).to_pylist()[0]
        # Missing numbers may be NaN, which is not equal to itself; as text it is.
        if different := [name for name in among if str(alone.get(name)) != str(among[name])]:
            raise CheckError(
                f"row {place}: {different[0]} is {among[different[0]]} among others, {alone.get(different[0])} alone"
            )
    return f"{picked.num_rows} rows, {whole.num_columns} features"


def _trained(folder: Path, pipeline: Pipeline, rows: pa.Table, directory: Path) -> TrainingReport:
    from deltalake import write_deltalake

    from ray_jobs.train import train

    table_uri, definition = str(directory / "lake"), pipeline.definition
    write_deltalake(table_uri, rows)
    code = snapshot(folder)
    code_uri = storage.write_once(str(directory / "code"), code, suffix=".zip")
    digest = storage.digest(code)
    return train(
        TrainingSpec(
            run_id=RUN_ID,
            definition=definition,
            dataset=DatasetRef(version=1, digest=digest, table_uri=table_uri, delta_version=0),
            code=CodeSnapshot(uri=code_uri, digest=digest),
            parameters=definition.trainer.parameters,
            seed=definition.seed,
            output_uri=str(directory / "run"),
        )
    )


def _gates(training: TrainingReport, pipeline: Pipeline) -> str:
    gates = pipeline.definition.promotion.gates
    asked = {gate.metric for gate in gates if isinstance(gate, AbsoluteGate | ChampionGate | SliceGate)}
    if missing := sorted(asked - training.metrics.keys()):
        measured = ", ".join(sorted(training.metrics))
        raise CheckError(f"a gate asks for {', '.join(missing)}, which no run measures; measured are {measured}")
    return f"{len(gates)} gates"


def _answers(training: TrainingReport, rows: pa.Table) -> str:
    model = Model.load(training.bundle_uri, training.bundle_digest)
    difference = model.check_golden(model.definition.rollout.max_golden_difference)
    table = rows.slice(0, SINGLE_ROWS)
    typed = model.predict_table(table)
    columns = {column.name: table[column.name].to_pylist() for column in model.definition.dataset.features}
    if (largest := float(np.max(np.abs(typed - model.predict(columns))))) > 0:
        raise CheckError(f"rows given as plain values are answered differently, by {largest:g}")
    return f"golden answers differ by {difference:g}"


def _describe(pipeline: Pipeline) -> str:
    definition = pipeline.definition
    return f"{definition.name}: {definition.objective.value} by {definition.trainer.name.value}"


def _measured(report: TrainingReport) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in sorted(report.metrics.items()))


class _FailedError(Exception):
    """A step failed and is in the report."""


def _step(report: CheckReport, name: str, action: Callable[[], T], describe: Callable[[T], str]) -> T:
    start = perf_counter()
    try:
        result = action()
    # A person's code may raise anything, and the report is where they look for it.
    except Exception as error:
        detail = str(error) if isinstance(error, CheckError) else f"{type(error).__name__}: {error}"
        report.steps.append(Step(name, passed=False, detail=detail, seconds=perf_counter() - start))
        raise _FailedError from error
    report.steps.append(Step(name, passed=True, detail=describe(result), seconds=perf_counter() - start))
    return result
