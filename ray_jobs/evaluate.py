"""Candidate and champion judged on the same held-out rows."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.jobs import SliceMetrics
from contracts.pipeline import ColumnName, DatasetContract, PipelineDefinition
from everloop.bundle.preparation import numbers
from everloop.bundle.rows import SCORE
from ray_jobs.metrics import measure
from ray_jobs.rows import Rows

Score = Callable[[pa.Table], NDArray[np.float64]]
MAX_SLICES = 12
MIN_SLICE_ROWS = 30


def score(rows: Rows, ask: Score, dataset: DatasetContract, keep: Sequence[ColumnName] = ()) -> pa.Table:
    """Score rows.

    Args:
        rows: In the dataset's columns.
        ask: The model; it is given the feature columns.
        dataset: The contract.
        keep: Columns that stay beside ``score``.
    """
    features = [column.name for column in dataset.features]

    def answer(batch: pa.Table) -> pa.Table:
        scores = ask(batch.select(features)) if batch.num_rows else np.empty(0)
        return batch.select(list(dict.fromkeys(keep))).append_column(SCORE, pa.array(scores, pa.float64()))

    return rows.map(answer).collect()


def evaluate(scored: pa.Table, definition: PipelineDefinition) -> dict[str, float]:
    """Measure rows that carry their label and ``score``."""
    labels = numbers(scored[definition.dataset.label.name])
    return measure(labels, scored[SCORE].to_numpy(), definition.objective)


def evaluate_blocks(scored: pa.Table, definition: PipelineDefinition) -> dict[str, tuple[float, ...]]:
    """Measure each block of time, as long as a window of the monitors, that has as many labels as a window needs."""
    window = definition.monitors.window // timedelta(microseconds=1)
    labelled = scored.filter(pc.is_valid(scored[definition.dataset.label.name]))
    block = labelled[definition.dataset.event_time.name].cast(pa.int64()).to_numpy() // window
    blocks, rows = np.unique(block, return_counts=True)
    kept = blocks[rows >= definition.monitors.min_rows]
    measured = [evaluate(labelled.filter(pa.array(block == one)), definition) for one in kept]
    names = sorted({name for metrics in measured for name in metrics})
    return {name: tuple(metrics[name] for metrics in measured if name in metrics) for name in names}


def evaluate_slices(scored: pa.Table, definition: PipelineDefinition) -> tuple[SliceMetrics, ...]:
    """Measure by the values of the pipeline's slice columns: the most frequent ones, of at least 30 rows."""
    found = []
    for column in definition.slices:
        texts = scored[column].cast(pa.string()).fill_null("missing")
        counts = sorted(pc.value_counts(texts).to_pylist(), key=lambda seen: (-seen["counts"], seen["values"]))
        for seen in counts[:MAX_SLICES]:
            if seen["counts"] >= MIN_SLICE_ROWS:
                rows = scored.filter(pc.equal(texts, seen["values"]))
                metrics = evaluate(rows, definition)
                found.append(SliceMetrics(column=column, value=seen["values"], rows=rows.num_rows, metrics=metrics))
    return tuple(found)
