"""Sampled Shapley values against closed forms, and against the definition itself."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from everloop.bundle.shapley import SampledShapley

Array = np.ndarray
CHANCE = np.random.default_rng(5)
COLUMNS = 6
BACKGROUND = CHANCE.normal(size=(64, COLUMNS)).astype(np.float32)
ROWS = CHANCE.normal(size=(7, COLUMNS)).astype(np.float32)
WEIGHTS = np.array([3.0, -2.0, 0.5, 0.0, 1.0, 10.0])


def linear(x: Array) -> Array:
    return np.asarray(x, dtype=np.float64) @ WEIGHTS + 7


def in_pairs(x: Array) -> Array:
    x = np.asarray(x, dtype=np.float64)
    return linear(x) + 4 * x[:, 0] * x[:, 1] - np.maximum(x[:, 2], x[:, 4])


def tangled(x: Array) -> Array:
    x = np.asarray(x, dtype=np.float64)
    return 1 / (1 + np.exp(-x[:, 0] * x[:, 1] * x[:, 2] - np.tanh(x[:, 3] + x[:, 4]) * x[:, 5]))


def by_definition(model: object, row: Array) -> Array:
    """Every column's mean part over all coalitions of the others, measured from the background."""
    assert callable(model)

    def worth(coalition: tuple[int, ...]) -> float:
        mixed = BACKGROUND.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return float(model(mixed).mean())

    values = np.zeros(COLUMNS)
    for column in range(COLUMNS):
        others = [other for other in range(COLUMNS) if other != column]
        for size in range(COLUMNS):
            weight = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS)
            for coalition in combinations(others, size):
                values[column] += weight * (worth((*coalition, column)) - worth(coalition))
    return values


def test_a_linear_model_is_explained_in_closed_form() -> None:
    shapley = SampledShapley(linear, BACKGROUND)

    expected = WEIGHTS * (ROWS.astype(np.float64) - BACKGROUND.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(shapley(ROWS), expected, atol=1e-12)


def test_columns_that_act_in_pairs_are_explained_without_sampling_error_of_the_orders() -> None:
    shapley = SampledShapley(in_pairs, BACKGROUND)

    np.testing.assert_allclose(shapley(ROWS[:2]), [by_definition(in_pairs, row) for row in ROWS[:2]], atol=1e-12)


def test_a_tangled_model_is_explained_with_a_small_error() -> None:
    shapley = SampledShapley(tangled, BACKGROUND)

    errors = shapley(ROWS) - np.array([by_definition(tangled, row) for row in ROWS])
    assert np.sqrt(np.mean(errors**2)) < 0.02


@pytest.mark.parametrize("model", [linear, in_pairs, tangled])
def test_attributions_add_up_to_the_score(model: object) -> None:
    assert callable(model)
    shapley = SampledShapley(model, BACKGROUND)

    np.testing.assert_allclose(shapley.base_value + shapley(ROWS).sum(axis=1), model(ROWS), atol=1e-12)


def test_a_row_is_explained_alone_as_among_others_and_again() -> None:
    shapley = SampledShapley(tangled, BACKGROUND)

    together = shapley(ROWS)

    np.testing.assert_array_equal(np.concatenate([shapley(row[None, :]) for row in ROWS]), together)
    np.testing.assert_array_equal(SampledShapley(tangled, BACKGROUND)(ROWS), together)


def test_a_single_column_gets_everything() -> None:
    shapley = SampledShapley(lambda x: x[:, 0] ** 2.0, BACKGROUND[:, :1])

    np.testing.assert_allclose(shapley(ROWS[:, :1])[:, 0], ROWS[:, 0] ** 2 - (BACKGROUND[:, 0] ** 2).mean(), atol=1e-6)
