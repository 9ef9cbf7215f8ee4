"""The reference that production is compared with: counts of the run's rows in cells, block of time by block."""

from collections.abc import Mapping
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


def make_reference(rows: Rows, scored: Rows, definition: PipelineDefinition, quality: Mapping[str, float]) -> Reference:
    """Count the inputs and the scores.

    Args:
        rows: Every row the run read, labelled or not, in the dataset's columns.
        scored: Rows the model was not trained on: event time and ``score``.
        definition: Its features are counted, in blocks as long as its monitors' window.
        quality: Metrics on the held-out data.
    """
    time, seconds = definition.dataset.event_time.name, definition.monitors.window.total_seconds()
    features = [column for column in definition.dataset.features if column.type in (*_NUMERIC, *_CATEGORY)]
    cells = {
        column.name: numeric_cells(rows, column.name) if column.type in _NUMERIC else category_cells(rows, column.name)
        for column in features
    }
    starts, counts = _count(rows, cells, time, seconds)
    score_starts, score_counts = _count(scored, {SCORE: numeric_cells(scored, SCORE)}, time, seconds)
    (score,) = score_counts
    return Reference(
        block_starts=starts,
        block_seconds=seconds,
        inputs=tuple(counts),
        score_block_starts=score_starts,
        score=score,
        quality=dict(quality),
    )


def numeric_cells(rows: Rows, name: str) -> NumericCells:
    """Cut a number at its quantiles into 32 cells of equal weight; fewer where values repeat."""
    values = numbers(rows.map(select([name])).collect()[name])
    values = values[np.isfinite(values)]
    levels = np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]
    edges = np.unique(np.quantile(values, levels)) if len(values) else np.empty(0)
    # The smallest value as an edge would leave an empty cell below it.
    return NumericCells(edges=tuple(edges[edges > values.min()].tolist()) if len(values) else ())


def category_cells(rows: Rows, name: str) -> CategoryCells:
    """List a category's most frequent values; ties go by name."""

    def tally(batch: pa.Table) -> pa.Table:
        texts = pa.table({"value": batch[name].cast(pa.string())})
        return texts.group_by("value", use_threads=False).aggregate([([], "count_all")])

    totals = rows.map(tally).collect().group_by("value", use_threads=False).aggregate([("count_all", "sum")])
    known = totals.filter(pc.is_valid(totals["value"]))
    ranked = known.sort_by([("count_all_sum", "descending"), ("value", "ascending")])["value"].to_pylist()
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
