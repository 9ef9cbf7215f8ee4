"""A model takes rows however a program holds them, and says which column is wrong."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract
from everloop import load_model
from everloop.bundle.asking import _read
from everloop.bundle.rows import InputError
from everloop.models import LoadedModel
from tests.fixtures.bundles import STEP, Bundles, bundles

__all__ = ["bundles"]

X, STOPS, CARRIER = [1.0, 2.5], [1, None], ["UA", "other"]


@pytest.fixture(scope="module")
def model(bundles: Bundles) -> LoadedModel:
    return load_model(*bundles.write(1))


@pytest.mark.parametrize(
    "rows",
    [
        {"x": X, "stops": STOPS, "carrier": CARRIER},
        {"x": np.array(X), "stops": STOPS, "carrier": np.array(CARRIER, dtype=object)},
        [{"x": 1.0, "stops": 1, "carrier": "UA"}, {"x": 2.5, "carrier": "other"}],
        pa.table({"x": X, "stops": STOPS, "carrier": CARRIER, "y": [0.0, 0.0]}),
        pa.table({"x": pa.array(X, pa.float32()), "stops": pa.array(STOPS, pa.int8()), "carrier": CARRIER}),
        pa.table({"x": X, "stops": STOPS, "carrier": pa.array(CARRIER).dictionary_encode()}),
        pa.record_batch({"x": X, "stops": STOPS, "carrier": CARRIER}),
        pd.DataFrame({"x": X, "stops": STOPS, "carrier": CARRIER}, index=[7, 9]),
    ],
    ids=["columns", "arrays", "rows", "table", "widths", "dictionary", "batch", "frame"],
)
def test_rows_in_any_form_get_the_same_scores(model: LoadedModel, rows: object) -> None:
    assert model.predict(rows).tolist() == [1 + STEP, 2.5 + STEP]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"x": 1.0, "speed": 3, "carrier": "UA"}], "row 0: unknown: speed"),
        ([{"stops": 1, "carrier": "UA"}], "x: null"),
        (pa.table({"x": X, "stops": STOPS}), "missing: carrier"),
        (pa.table({"x": ["1", "2"], "stops": STOPS, "carrier": CARRIER}), "x: expected number, got string"),
        (pa.table({"x": X, "stops": [0.5, None], "carrier": CARRIER}), "stops: expected integer"),
        (pa.table({"x": X, "stops": [True, None], "carrier": CARRIER}), "stops: expected integer, got bool"),
        (pa.table({"x": X, "stops": STOPS, "carrier": pa.nulls(2)}), "carrier: null"),
        (pa.table({"x": [1.0, float("nan")], "stops": STOPS, "carrier": CARRIER}), "x: null, NaN"),
    ],
)
def test_what_does_not_fit_is_refused_by_column(model: LoadedModel, rows: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        model.predict(rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([datetime(2026, 1, 2, tzinfo=UTC)]),
        pa.array([datetime(2026, 1, 2)]),  # noqa: DTZ001
        pa.array([1767312000000]),
        pa.array(["2026-01-02T00:00:00Z"]),
    ],
)
def test_a_time_is_the_same_however_it_is_written(values: pa.Array) -> None:
    dataset = DatasetContract(
        columns=(
            Column(name="seen", type=ColumnType.TIMESTAMP),
            Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
            Column(name="y", type=ColumnType.NUMBER, role=ColumnRole.LABEL),
        )
    )

    table = _read(pa.table({"seen": values}), dataset)

    assert table["seen"].to_pylist() == [datetime(2026, 1, 2, tzinfo=UTC)]
