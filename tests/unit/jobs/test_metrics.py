import numpy as np
import pytest

from contracts.pipeline import Objective
from ray_jobs.metrics import measure


def test_a_perfect_ranking_has_auc_one() -> None:
    found = measure(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.9]), Objective.BINARY_CLASSIFICATION)

    assert found["auc"] == 1.0
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.01) / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.9]).mean())


def test_a_sure_and_wrong_answer_costs_much_but_not_infinity() -> None:
    assert 10 < measure(np.array([1.0]), np.array([0.0]), Objective.BINARY_CLASSIFICATION)["log_loss"] < 100


def test_labels_of_one_kind_leave_the_auc_out() -> None:
    found = measure(np.ones(3), np.array([0.1, 0.5, 0.9]), Objective.BINARY_CLASSIFICATION)

    assert set(found) == {"log_loss", "brier", "base_rate"}


def test_values_are_measured_in_their_unit() -> None:
    found = measure(np.array([1.0, 3.0]), np.array([2.0, 2.0]), Objective.REGRESSION)

    assert found == {"rmse": 1.0, "mae": 1.0, "r2": 0.0}
