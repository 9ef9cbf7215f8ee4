"""One version of a dataset, read from its Delta table and cut by event time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.bundle import DatasetRef
from contracts.jobs import Engine, SplitReport
from contracts.pipeline import ColumnName, ColumnRole, DatasetContract, TimeSplit
from everloop.bundle.rows import arrow_schema
from ray_jobs.rows import InProcessRows, RayRows, Rows, Transform

IN_PROCESS_MAX_ROWS = 5_000_000
"""Above this many rows Ray Data reads them; below, its fixed cost is 8 to 20 times that of the work."""


class DataError(ValueError):
    """A dataset that can't be trained on; the message says why."""


@dataclass(frozen=True, slots=True)
class Split:
    """One part of the data: labelled rows whose event time lies between two instants."""

    rows: Rows
    report: SplitReport


@dataclass(frozen=True, slots=True)
class Splits:
    """The data in three parts, older before newer; rows of one instant stay together."""

    train: Split
    validation: Split
    holdout: Split


def read(dataset: DatasetRef, contract: DatasetContract, engine: Engine = Engine.AUTO) -> Rows:
    """Open the rows of a dataset version, whole, in the declared types.

    Args:
        dataset: Which version.
        contract: Its columns; others are left out.
        engine: Who reads; AUTO decides by the number of rows.

    Raises:
        DataError: The table lacks a column, or can't be read as its contract says.
    """
    from deltalake import DeltaTable

    table = DeltaTable(dataset.table_uri, version=dataset.delta_version)
    schema = arrow_schema(contract)
    files = sorted(table.file_uris())
    if engine is Engine.AUTO:
        engine = Engine.RAY_DATA if _count(table) > IN_PROCESS_MAX_ROWS else Engine.IN_PROCESS
    if engine is Engine.RAY_DATA:
        return _through_ray(files, contract)
    opened = table.to_pyarrow_dataset()
    if missing := sorted(set(schema.names) - set(opened.schema.names)):
        raise DataError(f"the table lacks {', '.join(missing)}")
    return InProcessRows(ordered(_typed(schema)(opened.to_table(columns=schema.names)), contract))


def split(rows: Rows, contract: DatasetContract, cuts: TimeSplit) -> Splits:
    """Cut labelled rows by event time: the oldest train, later ones validate, the newest are held out.

    Raises:
        DataError: A part would be empty.
    """
    label, time = contract.label.name, contract.event_time.name
    labelled = rows.map(lambda batch: batch.filter(pc.is_valid(batch[label])))
    times = np.sort(labelled.map(lambda batch: batch.select([time])).collect()[time].cast(pa.int64()).to_numpy())
    if not len(times):
        raise DataError("no row has a label")
    train_end = times[int(len(times) * (1 - cuts.validation_fraction - cuts.holdout_fraction))]
    validation_end = times[int(len(times) * (1 - cuts.holdout_fraction))]
    edges = (times[0], train_end, validation_end, times[-1] + 1)
    parts = [_between(labelled, times, time, start, end) for start, end in pairwise(edges)]
    return Splits(*parts)


def ordered(table: pa.Table, contract: DatasetContract) -> pa.Table:
    """Sort rows by event time, then by what names them, so that equal rows train an equal model."""
    return table.sort_by([(name, "ascending") for name in _order(contract)])


def spread(rows: Rows, contract: DatasetContract, count: int) -> pa.Table:
    """Take a few rows, spread evenly over their time: the same ones however rows are batched.

    Args:
        rows: At least one, in the order of ``ordered``.
        contract: Names the event time.
        count: Most rows to take.
    """
    time = contract.event_time.name
    instants = np.sort(rows.map(select([time])).collect()[time].unique().cast(pa.int64()).to_numpy())
    wanted = pa.array(_evenly(instants, count)).cast(pa.timestamp("us", tz="UTC"))
    found = rows.map(lambda batch: batch.filter(pc.is_in(batch[time], value_set=wanted))).collect()
    return found.take(_evenly(np.arange(found.num_rows), count))


def _evenly(values: np.ndarray, count: int) -> np.ndarray:
    chosen: np.ndarray = values[np.unique(np.linspace(0, len(values) - 1, count).astype(int))]
    return chosen


def select(names: Sequence[str]) -> Transform:
    """Keep some columns."""
    return lambda batch: batch.select(list(names))


def _order(contract: DatasetContract) -> list[ColumnName]:
    ids = [column.name for column in contract.of_role(ColumnRole.ID)]
    return list(dict.fromkeys([contract.event_time.name, *contract.unique, *ids]))


def _between(labelled: Rows, times: np.ndarray, name: str, start: int, end: int) -> Split:
    inside = times[(times >= start) & (times < end)]
    if not len(inside):
        raise DataError("the event times leave a part of the split empty; more rows over more time are needed")
    lower, upper = (pa.scalar(int(edge), pa.timestamp("us", tz="UTC")) for edge in (start, end))

    def keep(batch: pa.Table) -> pa.Table:
        return batch.filter(pc.and_(pc.greater_equal(batch[name], lower), pc.less(batch[name], upper)))

    report = SplitReport(rows=len(inside), start=_moment(inside[0]), end=_moment(inside[-1]))
    return Split(labelled.map(keep), report)


def _moment(microseconds: np.int64) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)


def _count(table: object) -> int:
    actions = pa.table(table.get_add_actions(flatten=True))  # type: ignore[attr-defined]
    return int(pc.sum(actions["num_records"]).as_py() or 0)


def _typed(schema: pa.Schema) -> Transform:
    def cast(batch: pa.Table) -> pa.Table:
        columns = batch.select(schema.names)
        return pa.table([columns[field.name].cast(field.type) for field in schema], names=schema.names)

    return cast


def _through_ray(files: list[str], contract: DatasetContract) -> RayRows:
    from ray_jobs import cluster

    cluster.connect()
    import ray.data

    schema = arrow_schema(contract)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.default_hash_shuffle_parallelism = max(len(files), int(ray.cluster_resources().get("CPU", 1)))
    stored = ray.data.read_parquet(files, columns=schema.names)
    # Kept on the cluster: a run goes over its rows a dozen times, and sorting them is what costs.
    return RayRows(RayRows(stored).map(_typed(schema)).dataset.sort(_order(contract)).materialize())
