from datetime import UTC, datetime

import pyarrow as pa
import pytest

from contracts.bundle import DataType
from contracts.pipeline import Column, ColumnRole, ColumnType, DatasetContract, NonFinite
from everloop.bundle.rows import InputError, feature_rows, signature_of, typed_rows

DATASET = DatasetContract(
    columns=(
        Column(name="at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
        Column(name="count", type=ColumnType.INTEGER),
        Column(name="shop", type=ColumnType.STRING, nullable=True),
        Column(name="ordered_at", type=ColumnType.TIMESTAMP),
        Column(name="weight", type=ColumnType.NUMBER, nullable=True),
        Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL),
    )
)
GOOD = {"count": [1], "shop": [None], "ordered_at": ["2013-01-01T10:00:00Z"], "weight": [1.5]}
NAN, INFINITY = float("nan"), float("inf")


def test_a_signature_names_the_features_and_the_score() -> None:
    signature = signature_of(DATASET)

    assert [(tensor.name, tensor.datatype, tensor.nullable) for tensor in signature.inputs] == [
        ("count", DataType.INT64, False),
        ("shop", DataType.BYTES, True),
        ("ordered_at", DataType.BYTES, False),
        ("weight", DataType.FP64, True),
    ]
    assert [tensor.name for tensor in signature.outputs] == ["score"]


@pytest.mark.parametrize(
    "moment",
    ["2013-01-01T10:00:00Z", "2013-01-01T12:00:00+02:00", 1357034400000, datetime(2013, 1, 1, 10, tzinfo=UTC)],
)
def test_a_moment_is_read_however_it_is_written(moment: object) -> None:
    rows = feature_rows({**GOOD, "ordered_at": [moment]}, DATASET)

    assert rows["ordered_at"].to_pylist() == [datetime(2013, 1, 1, 10, tzinfo=UTC)]
    assert rows.schema.types == [pa.int64(), pa.string(), pa.timestamp("us", tz="UTC"), pa.float64()]


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


def with_weight(non_finite: NonFinite, *, nullable: bool = True) -> DatasetContract:
    weight = Column(name="weight", type=ColumnType.NUMBER, nullable=nullable, non_finite=non_finite)
    return DATASET.model_copy(update={"columns": (*DATASET.columns[:-2], weight, DATASET.columns[-1])})


def both_ways(values: list[float | None], dataset: DatasetContract) -> list[list[float | None]]:
    """Read a column as plain values and as a column of a table."""
    plain = {name: one * len(values) for name, one in GOOD.items()} | {"weight": values}
    table = feature_rows({**plain, "weight": [1.0] * len(values)}, dataset)
    typed = table.set_column(table.column_names.index("weight"), "weight", pa.array(values, pa.float64()))
    return [feature_rows(plain, dataset)["weight"].to_pylist(), typed_rows(typed, dataset)["weight"].to_pylist()]


@pytest.mark.parametrize(
    ("non_finite", "values", "read"),
    [
        (NonFinite.NAN_IS_MISSING, [1.0, NAN, None], [1.0, None, None]),
        (NonFinite.MISSING, [INFINITY, NAN, -INFINITY, 2.0], [None, None, None, 2.0]),
        (NonFinite.REFUSE, [1.0, None], [1.0, None]),
    ],
)
def test_what_is_no_finite_number_is_missing_where_the_column_says_so(
    non_finite: NonFinite, values: list[float | None], read: list[float | None]
) -> None:
    assert both_ways(values, with_weight(non_finite)) == [read, read]


@pytest.mark.parametrize(
    ("non_finite", "value"),
    [
        (NonFinite.NAN_IS_MISSING, INFINITY),
        (NonFinite.NAN_IS_MISSING, -INFINITY),
        (NonFinite.REFUSE, NAN),
        (NonFinite.REFUSE, INFINITY),
    ],
)
def test_what_is_no_finite_number_is_refused_where_it_is_a_fault(non_finite: NonFinite, value: float) -> None:
    dataset = with_weight(non_finite)
    typed = feature_rows(GOOD, dataset).drop_columns("weight").append_column("weight", pa.array([value]))

    with pytest.raises(InputError, match="weight: "):
        feature_rows({**GOOD, "weight": [value]}, dataset)
    with pytest.raises(InputError, match="weight: "):
        typed_rows(typed, dataset)


def test_nan_is_null_to_a_column_that_must_not_be() -> None:
    dataset = with_weight(NonFinite.NAN_IS_MISSING, nullable=False)

    with pytest.raises(InputError, match="weight: null, and the column is not nullable"):
        feature_rows({**GOOD, "weight": [NAN]}, dataset)


def test_the_policy_is_for_numbers() -> None:
    with pytest.raises(ValueError, match="non_finite is for numbers"):
        Column(name="shop", type=ColumnType.STRING, non_finite=NonFinite.REFUSE)
