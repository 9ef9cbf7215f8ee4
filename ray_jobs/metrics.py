"""How good answers are. A metric that has no meaning for the rows at hand is left out, never invented."""

import numpy as np
from numpy.typing import NDArray

from contracts.pipeline import Objective

Values = NDArray[np.float64]
_CERTAIN = 1e-15


def measure(labels: Values, scores: Values, objective: Objective) -> dict[str, float]:
    """Measure scores against what really happened.

    Args:
        labels: Shape (n,): 0 or 1, or the value.
        scores: Shape (n,): the probability of 1, or the estimate.
        objective: Which of the two.

    Returns:
        ``auc``, ``average_precision``, ``log_loss`` (nats), ``brier`` and ``base_rate`` for a binary outcome;
        ``rmse``, ``mae`` and ``r2`` for a value. AUC, precision and r2 need labels that differ.
    """
    if objective is Objective.REGRESSION:
        return _regression(labels, scores)
    return _binary(labels, scores)


def _binary(labels: Values, scores: Values) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    sure = np.clip(scores, _CERTAIN, 1 - _CERTAIN)
    found = {
        "log_loss": -np.mean(labels * np.log(sure) + (1 - labels) * np.log1p(-sure)),
        "brier": np.mean(np.square(scores - labels)),
        "base_rate": np.mean(labels),
    }
    if 0 < labels.sum() < len(labels):
        found["auc"] = roc_auc_score(labels, scores)
        found["average_precision"] = average_precision_score(labels, scores)
    return {name: float(value) for name, value in found.items()}


def _regression(labels: Values, scores: Values) -> dict[str, float]:
    error = scores - labels
    found = {"rmse": np.sqrt(np.mean(np.square(error))), "mae": np.mean(np.abs(error))}
    if (spread := np.sum(np.square(labels - labels.mean()))) > 0:
        found["r2"] = 1 - np.sum(np.square(error)) / spread
    return {name: float(value) for name, value in found.items()}
