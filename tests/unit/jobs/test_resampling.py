"""Intervals of the difference between two models: right on average, the same every time, and fair to both."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.gates import RESAMPLED
from contracts.pipeline import Objective
from ray_jobs.metrics import measure
from ray_jobs.resampling import Answers, Interval, Values, differences, statistic

BINARY = ("auc", "average_precision", "log_loss", "brier")
SEEDS = st.integers(0, 2**32)


def _rows(seed: int, rows: int = 60, *, ties: bool = True) -> tuple[Values, Values, Values]:
    """Labels of both kinds and two scores for each, many of them equal."""
    random = np.random.default_rng(seed)
    labels = np.append(random.integers(0, 2, rows - 2), [0, 1]).astype(float)
    one, other = (np.clip(0.5 + 0.2 * (labels - 0.5) + random.normal(0, 0.3, rows), 0, 1) for _ in range(2))
    return (labels, one.round(1), other.round(1)) if ties else (labels, one, other)


def _answers(labels: Values, candidate: Values, champion: Values) -> Answers:
    return Answers(labels, candidate, champion, event_times_s=np.arange(len(labels)) * 60.0)


@pytest.mark.parametrize("metric", RESAMPLED)
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_resample_is_measured_as_its_rows_would_be(metric: str, seed: int) -> None:
    labels, scores, _ = _rows(seed)
    objective = Objective.BINARY_CLASSIFICATION if metric in BINARY else Objective.REGRESSION
    counts = np.random.default_rng(seed).integers(0, 4, (3, len(labels))).astype(float)

    measured = statistic(metric, labels, scores)(np.vstack([np.ones(len(labels)), counts]))

    drawn = [np.arange(len(labels)), *(np.repeat(np.arange(len(labels)), one.astype(int)) for one in counts)]
    expected = [measure(labels[rows], scores[rows], objective).get(metric, np.nan) for rows in drawn]
    np.testing.assert_allclose(measured, expected, rtol=1e-9, atol=1e-12)


def test_a_resample_of_one_label_has_no_auc() -> None:
    labels, scores = np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.9])

    (value,) = statistic("auc", labels, scores)(np.array([[2.0, 1.0, 0.0]]))

    assert np.isnan(value)


def test_what_no_row_decides_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="latency_ms"):
        statistic("latency_ms", np.ones(3), np.ones(3))


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_swapping_the_models_mirrors_the_interval(seed: int) -> None:
    labels, one, other = _rows(seed)
    asked = (Interval("auc", 0.9), Interval("brier", 0.99))

    there = differences(asked, _answers(labels, one, other), seed=1)
    back = differences(asked, _answers(labels, other, one), seed=1)

    for ahead, behind in zip(there, back, strict=True):
        assert ahead.lower <= ahead.upper
        assert (behind.value, behind.lower) == (-ahead.value, pytest.approx(-ahead.upper, abs=1e-12))


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_model_is_surely_as_good_as_itself(seed: int) -> None:
    labels, one, _ = _rows(seed)

    (found,) = differences((Interval("auc", 0.95),), _answers(labels, one, one), seed=3)

    assert (found.value, found.lower, found.upper) == (0, 0, 0)


def test_the_same_seed_draws_the_same_rows_whatever_else_is_asked() -> None:
    answers = _answers(*_rows(5))
    alone, other = Interval("auc", 0.95), Interval("log_loss", 0.9)

    (once,) = differences((alone,), answers, seed=7)
    _, again = differences((other, alone), answers, seed=7)
    (elsewhere,) = differences((alone,), answers, seed=8)

    assert once == again
    assert (elsewhere.lower, elsewhere.upper) != (once.lower, once.upper)


def test_more_confidence_promises_less() -> None:
    found = differences(
        tuple(Interval("auc", confidence) for confidence in (0.6, 0.9, 0.99)), _answers(*_rows(2, 200)), seed=1
    )

    assert [one.lower for one in found] == sorted((one.lower for one in found), reverse=True)
    assert [one.upper for one in found] == sorted(one.upper for one in found)


def test_rows_of_one_block_are_drawn_together() -> None:
    """Ten copies of every row are no more evidence than one, to those who say that they belong together."""
    labels, one, other = (np.repeat(values, 10) for values in _rows(4, 100))
    answers = _answers(labels, one, other)

    alone, blocks = differences(
        (Interval("brier", 0.95), Interval("brier", 0.95, timedelta(minutes=10))), answers, seed=1
    )

    assert (alone.units, blocks.units) == (1000, 100)
    assert (blocks.upper - blocks.lower) > 2 * (alone.upper - alone.lower)


def test_too_few_rows_or_blocks_have_no_interval() -> None:
    answers = _answers(*_rows(1, 60))

    assert differences((Interval("auc", 0.95, timedelta(minutes=10)),), answers, seed=1) == ()
    assert differences((Interval("auc", 0.95),), _answers(*_rows(1, 9)), seed=1) == ()


def test_the_bound_holds_about_as_often_as_it_says() -> None:
    """Of models that differ by a known amount, the 90 % bound is below it nine times in ten."""
    random, held, trials, truth = np.random.default_rng(11), 0, 150, 0.1
    for seed in range(trials):
        labels, own, theirs = random.normal(size=(3, 80))
        candidate, champion = labels + 1 + truth + 0.1 * own, labels + 1 + 0.1 * theirs
        (found,) = differences((Interval("mae", 0.9),), _answers(labels, candidate, champion), seed=seed)
        held += found.lower <= truth

    assert 0.82 <= held / trials <= 0.97
