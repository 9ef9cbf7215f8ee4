"""How good a window's predictions were, with an interval, once their labels are in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from contracts.model import Contract
from services.monitoring.counting import BoolArray, FloatArray

PROBABILITY_FLOOR = 1e-15
RESAMPLES = 200


class QualityOutcome(StrEnum):
    """What can be said of a window's quality."""

    GOOD = "good"
    DEGRADED = "degraded"
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
    """For a metric that is better when higher, the interval has to lie below it to be degraded; else above."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is estimated from scores and labels, both of shape (rows,)."""

    estimate: Callable[[FloatArray, FloatArray], Estimate]
    higher_is_better: bool
    needs_both_classes: bool = False


def judge_quality(
    scores: FloatArray,
    labels: FloatArray,
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
        scores: Of the labelled predictions, in any order; shape (rows,).
        labels: What really happened, in the order of the scores.
        predictions: All predictions of the window, labelled or not.
        metric: Name of a metric, one of ``METRICS``.
        reference: The version's metric on its held-out data.
        max_drop: Loss against it that is allowed, in the metric's unit.
        confidence: Of the interval, two-sided.
        min_rows: Fewest labels to judge by.
    """
    known = METRICS.get(metric)
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
    order = np.lexsort((labels, scores))
    estimate = known.estimate(scores[order], labels[order])
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * estimate.error
    low, high = estimate.value - reach, estimate.value + reach
    threshold = reference - max_drop if known.higher_is_better else reference + max_drop
    degraded = high < threshold if known.higher_is_better else low > threshold
    return verdict.model_copy(
        update={
            "outcome": QualityOutcome.DEGRADED if degraded else QualityOutcome.GOOD,
            "value": estimate.value,
            "low": low,
            "high": high,
            "threshold": threshold,
        }
    )


def area_under_curve(scores: FloatArray, labels: FloatArray) -> Estimate:
    """Estimate the area under the ROC curve with DeLong's error (Biometrics 1988), ties counting half."""
    positive, negative = np.sort(scores[labels > 0.5]), np.sort(scores[labels <= 0.5])
    above = _share_below(negative, positive)
    below = 1 - _share_below(positive, negative)
    variance = above.var(ddof=1) / len(positive) + below.var(ddof=1) / len(negative)
    return Estimate(float(above.mean()), float(np.sqrt(variance)))


def _share_below(ascending: FloatArray, values: FloatArray) -> FloatArray:
    strictly, at_most = (np.searchsorted(ascending, values, side=side) for side in ("left", "right"))
    return np.asarray((strictly + at_most) / (2 * len(ascending)), np.float64)


def _mean(losses: FloatArray | BoolArray) -> Estimate:
    """Estimate a mean over rows; its error is the normal one, which needs no resampling at hundreds of rows."""
    return Estimate(float(losses.mean()), float(losses.std(ddof=1) / np.sqrt(len(losses))))


def _root_mean(losses: FloatArray) -> Estimate:
    """Estimate the root of a mean; its error follows by the delta method."""
    mean = _mean(losses)
    root = float(np.sqrt(mean.value))
    return Estimate(root, mean.error / (2 * root) if root else 0.0)


def _log_losses(scores: FloatArray, labels: FloatArray) -> FloatArray:
    likely = np.clip(np.where(labels > 0.5, scores, 1 - scores), PROBABILITY_FLOOR, 1)
    return np.asarray(-np.log(likely), np.float64)


def _resampled(measure: Callable[[FloatArray, FloatArray], float]) -> Callable[[FloatArray, FloatArray], Estimate]:
    """Estimate a metric whose error has no formula by a bootstrap, seeded so that the same rows give the same."""

    def estimate(scores: FloatArray, labels: FloatArray) -> Estimate:
        rng = np.random.default_rng(len(labels))
        picks = (rng.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES))
        values = [measure(scores[pick], labels[pick]) for pick in picks]
        return Estimate(measure(scores, labels), float(np.std(values, ddof=1)))

    return estimate


def _average_precision(scores: FloatArray, labels: FloatArray) -> float:
    ranked = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[ranked] > 0.5)
    # Of equal scores none can be told from another: only the last stands for a threshold.
    ends = np.append(np.flatnonzero(np.diff(scores[ranked])), len(scores) - 1)
    found = np.diff(hits[ends], prepend=0)
    return float((found * hits[ends] / (ends + 1)).sum() / max(hits[-1], 1))


def _explained(scores: FloatArray, labels: FloatArray) -> float:
    spread = np.square(labels - labels.mean()).sum()
    return float(1 - np.square(scores - labels).sum() / spread) if spread else 0.0


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": Metric(area_under_curve, higher_is_better=True, needs_both_classes=True),
        "average_precision": Metric(_resampled(_average_precision), higher_is_better=True, needs_both_classes=True),
        "r2": Metric(_resampled(_explained), higher_is_better=True),
        "accuracy": Metric(lambda scores, labels: _mean((scores > 0.5) == (labels > 0.5)), higher_is_better=True),
        "log_loss": Metric(lambda scores, labels: _mean(_log_losses(scores, labels)), higher_is_better=False),
        "brier": Metric(lambda scores, labels: _mean((scores - labels) ** 2), higher_is_better=False),
        "mae": Metric(lambda scores, labels: _mean(np.abs(scores - labels)), higher_is_better=False),
        "rmse": Metric(lambda scores, labels: _root_mean((scores - labels) ** 2), higher_is_better=False),
    }
)
