"""What of the label could have been known beforehand is found in the rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from contracts.jobs import Leakage
from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract, TimeSplit
from everloop.bundle.preparation import numbers
from ray_jobs.dataset import split
from ray_jobs.fitting import LABEL
from ray_jobs.leakage import find_leakage, rank_correlation
from ray_jobs.rows import InProcessRows

ROWS = 400
START = datetime(2026, 1, 1, tzinfo=UTC)
DATASET = DatasetContract(
    columns=(
        Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="weight", type=ColumnType.NUMBER, nullable=True),
        Column(name="shop", type=ColumnType.STRING),
        Column(name="booked_at", type=ColumnType.TIMESTAMP),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL),
        Column(name="told_at", type=ColumnType.TIMESTAMP, role=ColumnRole.LABEL_TIME),
    )
)


def _features(rows: pa.Table) -> pa.Table:
    return rows.select(["weight", "shop"])


def _found(features: Any = _features, **changed: Any) -> Leakage:
    """Look for leaks in rows of an hour each; nothing leaks unless it is changed."""
    random = np.random.default_rng(3)
    at = [START + timedelta(hours=hour) for hour in range(ROWS)]
    columns: dict[str, Any] = {
        "at": at,
        "weight": random.normal(size=ROWS),
        "shop": random.choice(["north", "south", "west"], ROWS),
        "booked_at": [moment - timedelta(days=2) for moment in at],
        "late": random.random(ROWS) < 0.4,
        "told_at": [moment + timedelta(hours=6) for moment in at],
    }
    columns |= {name: change(columns) for name, change in changed.items()}
    time = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            name: pa.array(values, time if name.endswith("at") and name != "late" else None)
            for name, values in columns.items()
        }
    )

    def featured(batch: pa.Table) -> pa.Table:
        return features(batch).append_column(LABEL, pa.array(numbers(batch["late"])))

    return find_leakage(split(InProcessRows(table), DATASET, TimeSplit()), DATASET, featured)


def test_clean_rows_show_nothing() -> None:
    found = _found()

    assert (found.named, found.duplicates, found.late_labels, found.from_future) == ((), 0, 0, {"booked_at": 0})
    assert set(found.power) == {"weight", "shop"}
    assert max(found.power.values()) < 0.3


@pytest.mark.parametrize(
    ("column", "leak"),
    [
        ("weight", lambda columns: np.where(columns["late"], 5.0, 1.0) + columns["weight"] / 100),
        ("weight", lambda columns: [None if late else 1.0 for late in columns["late"]]),
        ("shop", lambda columns: np.where(columns["late"], "claims", "done")),
    ],
)
def test_a_column_that_knows_the_label_has_all_the_power(column: str, leak: Any) -> None:
    found = _found(**{column: leak})

    assert found.power[column] > 0.99


def test_a_column_named_as_the_label_is_found() -> None:
    found = _found(lambda rows: rows.select(["weight", "told_at"]).set_column(1, "told_at", rows["weight"]))

    assert found.named == ("told_at",)


def test_held_out_rows_that_were_trained_on_are_counted() -> None:
    def again(name: str) -> Any:
        return lambda columns: [*columns[name][:350], *columns[name][:50]]

    found = _found(weight=again("weight"), shop=again("shop"), late=again("late"), booked_at=again("booked_at"))

    assert found.duplicates == 50


def test_labels_of_training_rows_from_the_held_out_time_are_counted() -> None:
    found = _found(told_at=lambda columns: [moment + timedelta(days=10) for moment in columns["at"]])

    # 280 rows train; held out are those from hour 340, ten days later than hour 100.
    assert found.late_labels == 180


def test_a_feature_from_after_the_event_is_counted() -> None:
    found = _found(booked_at=lambda columns: [moment + timedelta(minutes=1) for moment in columns["at"]])

    assert found.from_future == {"booked_at": 60}


@given(
    rows=st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
@settings(deadline=None)
def test_power_of_two_labels_is_the_auc(rows: list[tuple[int, bool]]) -> None:
    values, labels = np.array([value for value, _ in rows], float), np.array([label for _, label in rows], float)

    assert rank_correlation(values, labels) == pytest.approx(2 * roc_auc_score(labels, values) - 1)


@given(values=st.lists(st.integers(-20, 20), min_size=3, max_size=40))
@settings(deadline=None)
def test_power_is_a_correlation_of_order_alone(values: list[int]) -> None:
    column, order = np.array(values, float), np.arange(len(values), dtype=float)

    power = rank_correlation(column, order)

    assert -1.000001 <= power <= 1.000001
    assert rank_correlation(np.exp(column), order) == pytest.approx(power)
    assert rank_correlation(-column, order) == pytest.approx(-power)
