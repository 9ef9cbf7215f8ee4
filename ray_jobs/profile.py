"""The reference that production is compared with: counts of the run's rows in cells, block of time by block."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.pipeline import ColumnType, PipelineDefinition
from contracts.profile import CategoryCells, Cells, FeatureReference, NumericCells, Reference
from everloop.bundle.preparation import numbers
from everloop.bundle.rows import SCORE
from ray_jobs.dataset import select
from ray_jobs.rows import Rows

QUANTILE_BINS = 32
TOP_CATEGORIES = 50
MAX_OTHER_CATEGORIES = 5000
_NUMERIC = (ColumnType.INTEGER, ColumnType.NUMBER)
_CATEGORY = (ColumnType.STRING, ColumnType.BOOLEAN)


def make_reference(
    rows: Rows,
    scored: Rows,
    definition: PipelineDefinition,
    quality: Mapping[str, float],
    quality_blocks: Mapping[str, tuple[float, ...]],
) -> Reference:
    """Count the inputs and the scores.

    Args:
        rows: Every row the run read, labelled or not, in the dataset's columns.
        scored: Rows the model was not trained on: event time and ``score``.
        definition: Its features are counted, in blocks as long as its monitors' window.
        quality: Metrics on the held-out data.
        quality_blocks: Metrics of the scored rows by block of time.
    """
    time, seconds = definition.dataset.event_time.name, definition.monitors.window.total_seconds()
    features = [column for column in definition.dataset.features if column.type in (*_NUMERIC, *_CATEGORY)]
    numeric = numeric_cells(rows, [column.name for column in features if column.type in _NUMERIC])
    category = category_cells(rows, [column.name for column in features if column.type in _CATEGORY])
    cells: dict[str, Cells] = {column.name: (numeric | category)[column.name] for column in features}
    starts, counts = _count(rows, cells, time, seconds)
    score_starts, score_counts = _count(scored, numeric_cells(scored, [SCORE]), time, seconds)
    (score,) = score_counts
    return Reference(
        block_starts=starts,
        block_seconds=seconds,
        inputs=tuple(counts),
        score_block_starts=score_starts,
        score=score,
        quality=dict(quality),
        quality_blocks=dict(quality_blocks),
    )


def numeric_cells(rows: Rows, names: Sequence[str]) -> dict[str, Cells]:
    """Cut numbers at their quantiles into 32 cells of equal weight; fewer where values repeat."""
    values = rows.map(select(names)).collect()
    return {name: NumericCells(edges=_edges(numbers(values[name]))) for name in names}


def category_cells(rows: Rows, names: Sequence[str]) -> dict[str, Cells]:
    """List categories' most frequent values; ties go by name."""
    if not names:
        return {}

    def tally(batch: pa.Table) -> pa.Table:
        columns = [pa.table({"value": batch[name].cast(pa.string())}) for name in names]
        tallies = [column.group_by("value", use_threads=False).aggregate([([], "count_all")]) for column in columns]
        return pa.concat_tables(
            tally.append_column("column", pa.array([name] * tally.num_rows))
            for name, tally in zip(names, tallies, strict=True)
        )

    seen = rows.map(tally).collect().group_by(["column", "value"], use_threads=False)
    totals = seen.aggregate([("count_all", "sum")]).sort_by([("count_all_sum", "descending"), ("value", "ascending")])
    known = totals.filter(pc.is_valid(totals["value"]))
    return {name: _listed(known.filter(pc.equal(known["column"], name))["value"].to_pylist()) for name in names}


def _edges(values: NDArray[np.float64]) -> tuple[float, ...]:
    values = values[np.isfinite(values)]
    if not len(values):
        return ()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]))
    # The smallest value as an edge would leave an empty cell below it.
    return tuple(edges[edges > values.min()].tolist())


def _listed(ranked: list[str]) -> CategoryCells:
    others = ranked[TOP_CATEGORIES : TOP_CATEGORIES + MAX_OTHER_CATEGORIES]
    return CategoryCells(values=tuple(ranked[:TOP_CATEGORIES]), others=tuple(others))


def locate(column: pa.ChunkedArray, cells: Cells) -> NDArray[np.int64]:
    """Find the cell of each value, as ``contracts.profile`` numbers them."""
    if isinstance(cells, NumericCells):
        values = numbers(column)
        found = np.searchsorted(np.array(cells.edges), values, side="right")
        return np.where(np.isnan(values), len(cells.edges) + 1, found).astype(np.int64)
    other, unseen, missing = (len(cells.values) + place for place in range(3))
    texts = column.cast(pa.string())
    listed = pc.index_in(texts, value_set=pa.array(cells.values, pa.string()), skip_nulls=True).cast(pa.int64())
    elsewhere = pc.if_else(pc.is_in(texts, value_set=pa.array(cells.others, pa.string())), other, unseen)
    return np.asarray(pc.if_else(pc.is_null(texts), missing, pc.coalesce(listed, elsewhere)).to_numpy(), dtype=np.int64)


def _count(
    rows: Rows, cells: Mapping[str, Cells], time: str, seconds: float
) -> tuple[tuple[datetime, ...], list[FeatureReference]]:
    def tally(batch: pa.Table) -> pa.Table:
        block = batch[time].cast(pa.int64()).to_numpy() // int(seconds * 1e6)
        tallies = []
        for place, (name, frozen) in enumerate(cells.items()):
            keys, found = np.unique(np.column_stack([block, locate(batch[name], frozen)]), axis=0, return_counts=True)
            feature = np.full(len(keys), place)
            tallies.append(pa.table({"feature": feature, "block": keys[:, 0], "cell": keys[:, 1], "rows": found}))
        return pa.concat_tables(tallies)

    found = rows.map(tally).collect()
    blocks = np.unique(found["block"].to_numpy())
    starts = tuple(datetime.fromtimestamp(0, tz=UTC) + timedelta(seconds=int(block) * seconds) for block in blocks)
    references = []
    for place, (name, frozen) in enumerate(cells.items()):
        mine = found.filter(pc.equal(found["feature"], place))
        counts = np.zeros((len(blocks), _size(frozen)), dtype=np.int64)
        rows_of = np.searchsorted(blocks, mine["block"].to_numpy())
        np.add.at(counts, (rows_of, mine["cell"].to_numpy()), mine["rows"].to_numpy())
        references.append(FeatureReference(name=name, cells=frozen, block_counts=tuple(map(tuple, counts.tolist()))))
    return starts, references


def _size(cells: Cells) -> int:
    return len(cells.edges) + 2 if isinstance(cells, NumericCells) else len(cells.values) + 3
