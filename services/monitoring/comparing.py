"""What a window is compared with: the training data, and the days before it.

Against the training data a season is drift as well: it means that retraining is due. Against the days before, it hardly
moves; what does move there broke, and nobody should train on it.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from contracts.monitoring import DriftKind
from contracts.pipeline import PipelineDefinition
from services.monitoring.counting import Feature, IntArray
from services.monitoring.domain import Instant, WatchedVersion, Window, instants
from services.monitoring.drift import Bounds, Comparison, DriftVerdict, judge_drift
from services.monitoring.faults import cells_of, judge_faults


def compare(
    window: Window, past: Sequence[Window], version: WatchedVersion, definition: PipelineDefinition
) -> dict[DriftKind, DriftVerdict]:
    """Judge a window's inputs and scores.

    Args:
        window: All its rows.
        past: The version's windows before it, as far back as its monitors look.
        version: With a reference.
        definition: Its monitors say how; its columns, which inputs count.
    """
    baseline, watch = version.baseline, definition.monitors
    assert baseline, "only versions with a reference have windows"
    reference, ignored = (
        baseline.reference,
        {column.name for column in definition.dataset.columns if not column.monitored},
    )
    inputs = [feature for feature in baseline.inputs if feature.name not in ignored]
    bounds = Bounds(watch.false_alarm_rate, watch.min_effect, watch.min_rows)
    of_scores = Bounds(watch.prediction_false_alarm_rate or watch.false_alarm_rate, watch.min_effect, watch.min_rows)
    of_faults = Bounds(watch.fault_false_alarm_rate or watch.false_alarm_rate, watch.min_effect, watch.min_rows)
    verdicts = {}
    for kind, features, starts, stated in (
        (DriftKind.INPUT, inputs, reference.block_starts, bounds),
        (DriftKind.PREDICTION, [baseline.score], reference.score_block_starts, of_scores),
    ):
        if not features:
            continue
        training = [Comparison(one.name, one.block_counts, window.counts[one.place]) for one in features]
        kept = _before(instants(starts), window.start, watch.trailing, past)
        recent = [_with_past(one, kept, window, past) for one in features]
        verdicts[kind] = judge_drift(training, stated).model_copy(
            update={"recent": judge_drift(recent, stated), "past_rows": rows_of(past)}
        )
    if inputs:
        # What was new once is not new for ever: windows count as well as training data, and all of it does.
        every = np.arange(len(reference.block_starts))
        known = [_with_past(one, every, window, past) for one in inputs]
        cells = [
            cell for one, seen in zip(inputs, known, strict=True) for cell in cells_of(one, seen.blocks, seen.window)
        ]
        faults = judge_faults(cells, known[0].blocks.sum(axis=1), window.predictions, of_faults)
        verdicts[DriftKind.INPUT] = verdicts[DriftKind.INPUT].model_copy(update={"faults": faults})
    return verdicts


def rows_of(windows: Sequence[Window]) -> int:
    """Count the rows of windows."""
    return sum(window.predictions for window in windows)


def outdated(windows: Sequence[Window], trailing: timedelta) -> list[Window]:
    """Find windows that were compared with windows before them that have other rows by now.

    Args:
        windows: One version's, by time, from a trailing period before the first in question.
        trailing: How far back they look.
    """
    starts = np.array([window.start for window in windows], np.int64)
    rows = np.concatenate([[0], np.cumsum([window.predictions for window in windows])])
    firsts = np.searchsorted(starts, starts - _micros(trailing))
    seen = [next((verdict.past_rows for verdict in window.drift.values()), None) for window in windows]
    return [
        window
        for place, window in enumerate(windows)
        if seen[place] is not None and seen[place] != rows[place] - rows[firsts[place]]
    ]


def look_back(window: Window, trailing: timedelta) -> Instant:
    """Say from where on windows are before this one."""
    return window.start - _micros(trailing)


def _before(starts: IntArray, start: Instant, trailing: timedelta, past: Sequence[Window]) -> IntArray:
    """Find the blocks of training data in the days before; windows of production take their place."""
    covered = [window.start for window in past]
    recent = (starts >= start - _micros(trailing)) & (starts < start)
    return np.flatnonzero(recent & ~np.isin(starts, covered))


def _with_past(feature: Feature, kept: IntArray, window: Window, past: Sequence[Window]) -> Comparison:
    blocks = np.vstack([feature.block_counts[kept], *(one.counts[feature.place] for one in past)])
    return Comparison(feature.name, blocks, window.counts[feature.place])


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)
