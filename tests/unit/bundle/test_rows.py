from datetime import UTC, datetime

import pyarrow as pa
import pytest

from contracts.bundle import DataType
from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract
from everloop.bundle.rows import InputError, feature_rows, signature_of

DATASET = DatasetContract(
    columns=(
        Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="count", type=ColumnType.INTEGER),
        Column(name="shop", type=ColumnType.STRING, nullable=True),
        Column(name="ordered_at", type=ColumnType.TIMESTAMP),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL),
    )
)
GOOD = {"count": [1], "shop": [None], "ordered_at": ["2013-01-01T10:00:00Z"]}


def test_a_signature_names_the_features_and_the_score() -> None:
    signature = signature_of(DATASET)

    assert [(tensor.name, tensor.datatype, tensor.nullable) for tensor in signature.inputs] == [
        ("count", DataType.INT64, False),
        ("shop", DataType.BYTES, True),
        ("ordered_at", DataType.BYTES, False),
    ]
    assert [tensor.name for tensor in signature.outputs] == ["score"]


@pytest.mark.parametrize(
    "moment",
    ["2013-01-01T10:00:00Z", "2013-01-01T12:00:00+02:00", 1357034400000, datetime(2013, 1, 1, 10, tzinfo=UTC)],
)
def test_a_moment_is_read_however_it_is_written(moment: object) -> None:
    rows = feature_rows({**GOOD, "ordered_at": [moment]}, DATASET)

    assert rows["ordered_at"].to_pylist() == [datetime(2013, 1, 1, 10, tzinfo=UTC)]
    assert rows.schema.types == [pa.int64(), pa.string(), pa.timestamp("us", tz="UTC")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": ["many"]}, "count: expected integer"),
        ({"count": [None]}, "count: null, and the column is not nullable"),
        ({"count": [1, 2]}, "different lengths"),
        ({"typo": [1]}, "unknown: typo"),
        ({"ordered_at": ["yesterday"]}, "ordered_at: expected timestamp"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        feature_rows({**GOOD, **change}, DATASET)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="missing: shop"):
        feature_rows({name: values for name, values in GOOD.items() if name != "shop"}, DATASET)
