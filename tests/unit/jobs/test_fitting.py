import pyarrow as pa
import pytest

from contracts.bundle import NumericColumn, OrdinalColumn, TargetColumn
from ray_jobs.fitting import LABEL, Encoding, fit_preparation
from ray_jobs.rows import InProcessRows

ROWS = InProcessRows(
    pa.table({"size": [1.0, 3.0, None, 5.0], "shop": ["b", "a", None, "a"], LABEL: [1.0, 0.0, 1.0, 0.0]})
)


def test_numbers_stay_as_they_are_for_trees() -> None:
    size, _ = fit_preparation(ROWS, Encoding("ordinal")).columns

    assert size == NumericColumn(name="size")


def test_numbers_are_standardised_by_what_is_there() -> None:
    size, _ = fit_preparation(ROWS, Encoding("ordinal", standardise=True)).columns

    assert isinstance(size, NumericColumn)
    assert (size.mean, size.fill) == (3.0, 3.0)
    assert size.scale == pytest.approx((8 / 3) ** 0.5)


def test_categories_are_placed_by_name() -> None:
    _, shop = fit_preparation(ROWS, Encoding("ordinal")).columns

    assert shop == OrdinalColumn(name="shop", vocabulary=("a", "b"))


def test_categories_become_smoothed_label_means() -> None:
    _, shop = fit_preparation(ROWS, Encoding("target", smoothing=2.0)).columns

    assert shop == TargetColumn(name="shop", means={"a": (0 + 2 * 0.5) / 4, "b": (1 + 2 * 0.5) / 3}, default=0.5)


def test_a_column_of_nothing_is_still_a_column() -> None:
    rows = InProcessRows(pa.table({"size": pa.array([None, None], pa.float64()), LABEL: [1.0, 0.0]}))

    (size,) = fit_preparation(rows, Encoding("ordinal", standardise=True)).columns

    assert size == NumericColumn(name="size", fill=0.0)
