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

from services.monitoring.quality import DAY, METRICS, Labelled, QualityOutcome, QualityVerdict, judge_quality


def sample(seed: int, rows: int = 500, *, separation: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([21, seed])
    labels = (rng.random(rows) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-rng.normal(separation * (labels - 0.5), 1).round(2)))
    return scores, labels


def judged(
    scores: np.ndarray, labels: np.ndarray, times: np.ndarray | None = None, **changes: object
) -> QualityVerdict:
    asked = {"predictions": len(labels), "metric": "auc", "reference": 0.75, "max_drop": 0.03, "confidence": 0.95}
    rows = Labelled(np.arange(len(labels)) if times is None else times, scores, labels)
    return judge_quality(rows, **{**asked, "min_rows": 50, **changes})  # type: ignore[arg-type]


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

    assert METRICS[metric].parts(scores, labels).mean() == pytest.approx(peer(labels, scores))  # type: ignore[operator]


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_intervals_cover_the_truth_as_often_as_they_say(metric: str) -> None:
    truth = METRICS[metric].parts(*sample(0, 200_000)).mean()
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
    times = np.arange(500) * DAY // 60
    shuffled = np.random.default_rng(1).permutation(len(labels))

    first = judged(scores, labels, times, metric="log_loss")
    again = judged(scores[shuffled], labels[shuffled], times[shuffled], metric="log_loss")

    assert first == again
    assert first.days == 9


def test_the_interval_alone_says_that_a_window_is_below() -> None:
    scores, labels = sample(3, 5000)
    auc = float(METRICS["auc"].parts(scores, labels).mean())

    assert judged(scores, labels, reference=auc + 0.035).outcome is QualityOutcome.GOOD
    assert judged(scores, labels, reference=auc + 0.06).outcome is QualityOutcome.BELOW
    assert judged(scores[:60], labels[:60], reference=auc + 0.06).outcome is QualityOutcome.GOOD


def test_a_loss_is_worse_when_it_is_higher() -> None:
    scores, labels = sample(4, 5000)
    loss = float(METRICS["log_loss"].parts(scores, labels).mean())

    assert judged(scores, labels, metric="log_loss", reference=loss - 0.1).outcome is QualityOutcome.BELOW
    assert judged(scores, labels, metric="log_loss", reference=loss + 0.1).outcome is QualityOutcome.GOOD


def test_days_that_differ_make_a_window_less_sure_than_its_rows_do() -> None:
    rng = np.random.default_rng(5)
    times = np.repeat(np.arange(7), 200) * DAY
    estimates = np.full(1400, 10.0)
    weather = np.repeat(rng.normal(0, 3, 7), 200)

    verdict = judged(estimates, estimates + rng.normal(0, 1, 1400) + weather, times, metric="mae", reference=2.0)

    assert verdict.days == 7
    assert verdict.error is not None
    assert verdict.day_error is not None
    assert verdict.day_error > 5 * verdict.error


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
