"""Metrics of resampled rows, many resamples at once; and how surely two models differ on the same rows.

A resample is how often each row was drawn, shape (B, n) for B resamples of n rows, so both models are always measured
on the same draw.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from contracts.jobs import Difference
from contracts.pipeline import MetricName

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""Measures resamples: counts, shape (B, n), to values, shape (B,); NaN where a resample has no such metric."""

RESAMPLES = 1000
FEWEST_RESAMPLES = 300
MAX_DRAWS = 50_000_000
"""Rows times resamples, some two seconds a metric: of more than 50,000 rows fewer resamples are drawn."""
FEWEST_UNITS = 10
"""An interval from fewer rows or blocks is narrower than it should be."""
_BATCH_CELLS = 500_000
_CERTAIN = 1e-15


@dataclass(frozen=True, slots=True)
class Interval:
    """What is asked: a metric, how surely, and how long a stretch of time is drawn as one."""

    metric: MetricName
    confidence: float
    block: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """The same rows, answered by both models; all of shape (n,)."""

    labels: Values
    candidate: Values
    champion: Values
    event_times_s: Values


def differences(asked: Sequence[Interval], answers: Answers, *, seed: int) -> tuple[Difference, ...]:
    """Estimate how far apart two models are: percentile intervals of the paired bootstrap.

    Args:
        asked: Intervals; those that need the same draws share them.
        answers: The rows.
        seed: Of the draws.

    Returns:
        One per interval, in that order, less those that the rows are too few for.
    """
    found = {}
    for block in dict.fromkeys(interval.block for interval in asked):
        unit_of_row, units = _units(answers.event_times_s, block)
        if units < FEWEST_UNITS:
            continue
        wanted = [interval for interval in asked if interval.block == block]
        moved = _resample({interval.metric for interval in wanted}, answers, unit_of_row, units, seed)
        for interval in wanted:
            if difference := _summed_up(interval, *moved[interval.metric], units):
                found[interval] = difference
    return tuple(found[interval] for interval in asked if interval in found)


def statistic(metric: MetricName, labels: Values, scores: Values) -> Statistic:
    """Prepare a metric for many resamples of the same rows; on every row once it is what ``measure`` gives.

    Raises:
        ValueError: It is no metric of rows.
    """
    sure = np.clip(scores, _CERTAIN, 1 - _CERTAIN)
    match metric:
        case "auc":
            return _auc(labels, scores)
        case "average_precision":
            return _average_precision(labels, scores)
        case "log_loss":
            return _mean(-(labels * np.log(sure) + (1 - labels) * np.log1p(-sure)))
        case "brier":
            return _mean(np.square(scores - labels))
        case "mae":
            return _mean(np.abs(scores - labels))
        case "rmse":
            mean = _mean(np.square(scores - labels))
            return lambda counts: np.sqrt(mean(counts))
        case "r2":
            return _r2(labels, scores)
        case _:
            raise ValueError(f"{metric} can't be resampled")


def _units(event_times_s: Values, block: timedelta | None) -> tuple[NDArray[np.intp] | None, int]:
    """Tell what is drawn: the unit of each row, or None where each row is one; and how many there are."""
    if block is None:
        return None, len(event_times_s)
    stretches = np.floor(event_times_s / block.total_seconds())
    found, unit_of_row = np.unique(stretches, return_inverse=True)
    return unit_of_row, len(found)


def _resample(
    metrics: set[MetricName], answers: Answers, unit_of_row: NDArray[np.intp] | None, units: int, seed: int
) -> dict[MetricName, tuple[float, Values]]:
    """Measure the difference in each metric: on the rows as they are, and on every resample."""
    pairs = {
        metric: (
            statistic(metric, answers.labels, answers.candidate),
            statistic(metric, answers.labels, answers.champion),
        )
        for metric in sorted(metrics)
    }
    rows = len(answers.labels)
    once = np.ones((1, rows))
    drawn: dict[MetricName, list[Values]] = {metric: [] for metric in pairs}
    for drawn_units in _draws(rows, units, seed):
        counts = drawn_units if unit_of_row is None else drawn_units[:, unit_of_row]
        for metric, (candidate, champion) in pairs.items():
            drawn[metric].append(candidate(counts) - champion(counts))
    return {
        metric: (float((candidate(once) - champion(once))[0]), np.concatenate(drawn[metric]))
        for metric, (candidate, champion) in pairs.items()
    }


def _draws(rows: int, units: int, seed: int) -> Iterator[Values]:
    """Draw units with replacement, as many as there are; how often each was drawn, shape (B, units)."""
    generator = np.random.default_rng(seed)
    left = max(FEWEST_RESAMPLES, min(RESAMPLES, MAX_DRAWS // rows))
    while left:
        size = min(left, max(1, _BATCH_CELLS // rows))
        picks = generator.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        yield np.bincount(picks.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)
        left -= size


def _summed_up(interval: Interval, value: float, drawn: Values, units: int) -> Difference | None:
    known = drawn[np.isfinite(drawn)]
    # Rows of one label in one resample of ten leave out just those that would widen the interval.
    if not np.isfinite(value) or len(known) < 0.9 * len(drawn):
        return None
    lower, upper = np.quantile(known, [1 - interval.confidence, interval.confidence])
    return Difference(
        metric=interval.metric,
        confidence=interval.confidence,
        block=interval.block,
        value=value,
        lower=float(lower),
        upper=float(upper),
        resamples=len(known),
        units=units,
    )


def _mean(losses: Values) -> Statistic:
    return lambda counts: (counts @ losses) / counts.sum(axis=1)


def _r2(labels: Values, scores: Values) -> Statistic:
    error, centred = np.square(scores - labels), labels - labels.mean()

    def measured(counts: Values) -> Values:
        total = counts.sum(axis=1)
        spread = counts @ np.square(centred) - np.square(counts @ centred) / total
        return 1 - _ratio(counts @ error, spread)

    return measured


def _auc(labels: Values, scores: Values) -> Statistic:
    by_score = _ByScore(labels, scores)

    def measured(counts: Values) -> Values:
        ones, zeros = by_score(counts)
        below = np.cumsum(zeros, axis=1) - zeros
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        return _ratio((ones * (below + zeros / 2)).sum(axis=1), pairs)

    return measured


def _average_precision(labels: Values, scores: Values) -> Statistic:
    by_score = _ByScore(labels, -scores)

    def measured(counts: Values) -> Values:
        ones, zeros = by_score(counts)
        found = np.cumsum(ones, axis=1)
        precision = found / np.maximum(found + np.cumsum(zeros, axis=1), 1)
        return _ratio((ones * precision).sum(axis=1), ones.sum(axis=1))

    return measured


class _ByScore:
    """Counts of ones and of zeros by score, ascending; rows of one score together: two of shape (B, scores)."""

    def __init__(self, labels: Values, scores: Values) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._ones = labels[self._order]
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))

    def __call__(self, counts: Values) -> tuple[Values, Values]:
        ordered = counts[:, self._order]
        ones = ordered * self._ones
        zeros = ordered - ones
        if len(self._starts) == ordered.shape[1]:
            return ones, zeros
        return np.add.reduceat(ones, self._starts, axis=1), np.add.reduceat(zeros, self._starts, axis=1)


def _ratio(above: Values, below: Values) -> Values:
    """Divide; NaN where there is nothing to divide by."""
    ratio: Values = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio
