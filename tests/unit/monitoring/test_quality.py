import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)
from sklearn.metrics import root_mean_squared_error as rmse

from services.monitoring.quality import METRICS, QualityOutcome, QualityVerdict, area_under_curve, judge_quality

RESAMPLED = {"average_precision", "r2"}


def sample(seed: int, rows: int = 500, *, separation: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([21, seed])
    labels = (rng.random(rows) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-rng.normal(separation * (labels - 0.5), 1).round(2)))
    return scores, labels


def judged(scores: np.ndarray, labels: np.ndarray, **changes: object) -> QualityVerdict:
    asked = {"predictions": len(labels), "metric": "auc", "reference": 0.75, "max_drop": 0.03, "confidence": 0.95}
    return judge_quality(scores, labels, **{**asked, "min_rows": 50, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "peer"),
    [
        ("auc", roc_auc_score),
        ("average_precision", average_precision_score),
        ("r2", r2_score),
        ("accuracy", lambda labels, scores: accuracy_score(labels, scores > 0.5)),
        ("log_loss", log_loss),
        ("brier", brier_score_loss),
        ("mae", mean_absolute_error),
        ("rmse", rmse),
    ],
)
def test_metrics_agree_with_scikit_learn(metric: str, peer: object) -> None:
    scores, labels = sample(1)

    assert METRICS[metric].estimate(scores, labels).value == pytest.approx(peer(labels, scores))  # type: ignore[operator]


@pytest.mark.parametrize(
    "metric",
    [pytest.param(name, marks=[pytest.mark.slow] if name in RESAMPLED else []) for name in sorted(METRICS)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(metric: str) -> None:
    truth = METRICS[metric].estimate(*sample(0, 200_000)).value
    trials = 200

    covered = 0
    for seed in range(1, trials + 1):
        verdict = judged(*sample(seed), metric=metric)
        assert verdict.low is not None
        assert verdict.high is not None
        covered += verdict.low <= truth <= verdict.high

    assert covered / trials == pytest.approx(0.95, abs=0.045)


def test_the_interval_does_not_depend_on_the_order_of_rows() -> None:
    scores, labels = sample(2)
    shuffled = np.random.default_rng(1).permutation(len(labels))

    assert judged(scores, labels, metric="log_loss") == judged(scores[shuffled], labels[shuffled], metric="log_loss")


def test_quality_is_degraded_only_if_the_whole_interval_is_below() -> None:
    scores, labels = sample(3, 5000)
    auc = area_under_curve(scores, labels).value

    assert judged(scores, labels, reference=auc + 0.035).outcome is QualityOutcome.GOOD
    assert judged(scores, labels, reference=auc + 0.06).outcome is QualityOutcome.DEGRADED
    assert judged(scores[:60], labels[:60], reference=auc + 0.06).outcome is QualityOutcome.GOOD


def test_a_loss_is_degraded_when_it_is_higher() -> None:
    scores, labels = sample(4, 5000)
    loss = METRICS["log_loss"].estimate(scores, labels).value

    assert judged(scores, labels, metric="log_loss", reference=loss - 0.1).outcome is QualityOutcome.DEGRADED
    assert judged(scores, labels, metric="log_loss", reference=loss + 0.1).outcome is QualityOutcome.GOOD


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"metric": "loveliness"}, QualityOutcome.UNKNOWN_METRIC),
        ({"reference": None}, QualityOutcome.NO_REFERENCE),
        ({"min_rows": 501}, QualityOutcome.TOO_FEW_LABELS),
        ({"labels": np.ones(500)}, QualityOutcome.ONE_CLASS),
    ],
)
def test_what_cannot_be_judged_says_why(changes: dict[str, object], outcome: QualityOutcome) -> None:
    scores, labels = sample(5)

    verdict = judged(scores, changes.pop("labels", labels), **changes)  # type: ignore[arg-type]

    assert (verdict.outcome, verdict.value) == (outcome, None)
