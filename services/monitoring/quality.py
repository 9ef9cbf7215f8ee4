"""How good a window's predictions were, with an interval, once their labels are in.

Each metric is written as the mean of one number per row: a mean's losses, else the metric plus each row's influence on
it (the infinitesimal jackknife; for the area under the curve these are DeLong's structural components, Biometrics
1988). So every metric has an error without resampling, and days can be told apart in it (Obuchowski, Biometrics 1997).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from contracts.model import Contract
from services.monitoring.counting import FloatArray, IntArray
from services.monitoring.evidence import Evidence

PROBABILITY_FLOOR = 1e-15
DAY = timedelta(days=1) // timedelta(microseconds=1)
FEWEST_DAYS = 5
"""A window with fewer is no measure of how much days differ."""


class QualityOutcome(StrEnum):
    """What can be said of a window's quality."""

    GOOD = "good"
    BELOW = "below"
    """Its interval lies below what is allowed, but one window alone is no alarm."""
    DEGRADED = "degraded"
    """The sequence of windows up to this one is sure."""
    TOO_FEW_LABELS = "too_few_labels"
    ONE_CLASS = "one_class"
    NO_REFERENCE = "no_reference"
    UNKNOWN_METRIC = "unknown_metric"


class QualityVerdict(Contract):
    """What was measured in one window, and what it was held against."""

    outcome: QualityOutcome
    metric: str
    predictions: int
    labelled: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    threshold: float | None = None
    """What the metric may fall to (or rise to, where lower is better)."""
    shortfall: float | None = None
    """By how much the value is worse than the threshold; negative if it is better."""
    error: float | None = None
    """Standard error of the value, rows taken as independent."""
    days: int | None = None
    """Days with labels, in a window long enough to hold five."""
    day_error: float | None = None
    """Standard error of the value, days taken as independent."""
    evidence: Evidence | None = None
    """Where the sequence of the version's windows stands after this one; unset until all earlier ones are judged."""

    def in_sequence(self, evidence: Evidence | None) -> "QualityVerdict":
        """Judge by the sequence as well as alone."""
        outcome = self.outcome
        if self.shortfall is not None and self.low is not None and self.high is not None:
            below = self.shortfall > (self.high - self.low) / 2
            outcome = QualityOutcome.BELOW if below else QualityOutcome.GOOD
        if evidence and evidence.alarms:
            outcome = QualityOutcome.DEGRADED
        return self.model_copy(update={"outcome": outcome, "evidence": evidence})


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Predictions with what really happened, in any order; each of shape (rows,), times in microseconds."""

    event_times: IntArray
    scores: FloatArray
    labels: FloatArray


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is measured; ``parts`` takes scores and labels, and gives numbers whose mean it is, one per row."""

    parts: Callable[[FloatArray, FloatArray], FloatArray]
    higher_is_better: bool
    needs_both_classes: bool = False


def judge_quality(
    rows: Labelled,
    *,
    predictions: int,
    metric: str,
    reference: float | None,
    max_drop: float,
    confidence: float,
    min_rows: int,
) -> QualityVerdict:
    """Hold a window's quality against the version's own.

    Args:
        rows: The window's labelled predictions.
        predictions: All predictions of the window, labelled or not.
        metric: Name of a metric, one of ``METRICS``.
        reference: The version's metric on its held-out data.
        max_drop: Loss against it that is allowed, in the metric's unit.
        confidence: Of the interval, two-sided.
        min_rows: Fewest labels to judge by.
    """
    known, labels = METRICS.get(metric), rows.labels
    outcome = None
    if known is None:
        outcome = QualityOutcome.UNKNOWN_METRIC
    elif reference is None:
        outcome = QualityOutcome.NO_REFERENCE
    elif len(labels) < max(min_rows, 2):
        outcome = QualityOutcome.TOO_FEW_LABELS
    elif known.needs_both_classes and min((labels > 0.5).sum(), (labels <= 0.5).sum()) < 2:
        outcome = QualityOutcome.ONE_CLASS
    verdict = QualityVerdict(
        outcome=outcome or QualityOutcome.GOOD,
        metric=metric,
        predictions=predictions,
        labelled=len(labels),
        reference=reference,
    )
    if outcome or known is None or reference is None:
        return verdict

    # Floating sums depend on their order, and rows are stored in the order they came.
    order = np.lexsort((rows.event_times, labels, rows.scores))
    parts = known.parts(rows.scores[order], labels[order])
    value, error = float(parts.mean()), float(parts.std(ddof=1) / np.sqrt(len(parts)))
    days, day_error = _by_day(parts, rows.event_times[order] // DAY)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    threshold = reference - max_drop if known.higher_is_better else reference + max_drop
    return verdict.model_copy(
        update={
            "value": value,
            "low": value - reach,
            "high": value + reach,
            "threshold": threshold,
            "shortfall": threshold - value if known.higher_is_better else value - threshold,
            "error": error,
            "days": days,
            "day_error": day_error,
        }
    ).in_sequence(None)


def _by_day(parts: FloatArray, days: IntArray) -> tuple[int | None, float | None]:
    """Estimate the error of a mean over rows whose days are independent, if there are days enough to tell."""
    _, places, rows = np.unique(days, return_inverse=True, return_counts=True)
    if len(rows) < FEWEST_DAYS:
        return None, None
    off = np.bincount(places, weights=parts - parts.mean())
    return len(rows), float(np.sqrt(len(rows) / (len(rows) - 1) * np.square(off).sum()) / len(parts))


def _area_under_curve(scores: FloatArray, labels: FloatArray) -> FloatArray:
    positive = labels > 0.5
    above = _share_below(np.sort(scores[~positive]), scores[positive])
    below = 1 - _share_below(np.sort(scores[positive]), scores[~positive])
    area, parts = above.mean(), np.empty(len(scores))
    parts[positive] = area + (above - area) * len(scores) / len(above)
    parts[~positive] = area + (below - area) * len(scores) / len(below)
    return parts


def _share_below(ascending: FloatArray, values: FloatArray) -> FloatArray:
    """Ties count half."""
    strictly, at_most = (np.searchsorted(ascending, values, side=side) for side in ("left", "right"))
    return np.asarray((strictly + at_most) / (2 * len(ascending)), np.float64)


def _average_precision(scores: FloatArray, labels: FloatArray) -> FloatArray:
    """Weigh each row by how far the mean over positives of hits/rows at their rank would move with its weight."""
    ranked = np.argsort(-scores, kind="stable")
    hit = (labels[ranked] > 0.5).astype(np.float64)
    # Of equal scores none can be told from another: all stand for the threshold of the last.
    descending = -scores[ranked]
    ends = np.searchsorted(descending, descending, side="right") - 1
    firsts = np.searchsorted(descending, descending, side="left")
    rows, hits = ends + 1.0, np.cumsum(hit)[ends]
    precision = (hit * hits / rows).sum() / hit.sum()
    after = np.cumsum((hit / rows)[::-1])[::-1][firsts], np.cumsum((hit * hits / rows**2)[::-1])[::-1][firsts]
    parts = np.empty(len(scores))
    parts[ranked] = precision + len(scores) / hit.sum() * (hit * (hits / rows - precision) + hit * after[0] - after[1])
    return parts


def _explained(scores: FloatArray, labels: FloatArray) -> FloatArray:
    off, spread = np.square(scores - labels), np.square(labels - labels.mean())
    if not spread.any():
        return np.zeros(len(labels))
    explained = 1 - off.sum() / spread.sum()
    return np.asarray(explained - (off - (1 - explained) * spread) / spread.mean(), np.float64)


def _root(losses: FloatArray) -> FloatArray:
    root = np.sqrt(losses.mean())
    return np.asarray(root + (losses - losses.mean()) / (2 * root) if root else losses, np.float64)


def _log_losses(scores: FloatArray, labels: FloatArray) -> FloatArray:
    likely = np.clip(np.where(labels > 0.5, scores, 1 - scores), PROBABILITY_FLOOR, 1)
    return np.asarray(-np.log(likely), np.float64)


def _hits(scores: FloatArray, labels: FloatArray) -> FloatArray:
    return np.asarray((scores > 0.5) == (labels > 0.5), np.float64)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": Metric(_area_under_curve, higher_is_better=True, needs_both_classes=True),
        "average_precision": Metric(_average_precision, higher_is_better=True, needs_both_classes=True),
        "r2": Metric(_explained, higher_is_better=True),
        "accuracy": Metric(_hits, higher_is_better=True),
        "log_loss": Metric(_log_losses, higher_is_better=False),
        "brier": Metric(lambda scores, labels: (scores - labels) ** 2, higher_is_better=False),
        "mae": Metric(lambda scores, labels: np.abs(scores - labels), higher_is_better=False),
        "rmse": Metric(lambda scores, labels: _root((scores - labels) ** 2), higher_is_better=False),
    }
)
