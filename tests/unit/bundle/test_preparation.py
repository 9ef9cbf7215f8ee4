import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bundle import NumericColumn, OrdinalColumn, Preparation, TargetColumn
from everloop.bundle.preparation import FEW_ROWS, Preparer, numbers, prepare

PREPARATION = Preparation(
    columns=(
        NumericColumn(name="height", mean=1.0, scale=2.0),
        NumericColumn(name="weight", fill=4.0),
        OrdinalColumn(name="shop", vocabulary=("north", "south")),
        TargetColumn(name="city", means={"Kiel": 0.25}, default=0.5),
    )
)
ROWS = st.fixed_dictionaries(
    {
        "height": st.none() | st.floats(-1e6, 1e6),
        "weight": st.none() | st.integers(-1000, 1000),
        "shop": st.none() | st.sampled_from(["north", "south", "east"]),
        "city": st.none() | st.sampled_from(["Kiel", "Ulm"]),
    }
)
SCHEMA = pa.schema(
    {"height": pa.float64(), "weight": pa.int64(), "shop": pa.string(), "city": pa.string()},
)


def test_each_kind_of_column_is_prepared() -> None:
    rows = pa.table({"height": [5.0, None], "weight": [None, 7], "shop": ["south", "east"], "city": ["Kiel", None]})

    matrix = prepare(rows, PREPARATION)

    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[2.0, 4.0, 1.0, 0.25], [np.nan, 7.0, -1.0, 0.5]])


def test_truth_values_are_numbers() -> None:
    preparation = Preparation(columns=(NumericColumn(name="fragile"),))

    matrix = prepare(pa.table({"fragile": [True, None, False]}), preparation)

    np.testing.assert_array_equal(matrix[:, 0], [1.0, np.nan, 0.0])


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_a_row_alone_is_prepared_as_among_others(rows: list[dict[str, object]]) -> None:
    table, prepare_rows = pa.Table.from_pylist(rows, schema=SCHEMA), Preparer(PREPARATION)

    together = prepare_rows(table)
    alone = np.concatenate([prepare_rows(table.slice(place, 1)) for place in range(len(rows))])

    np.testing.assert_array_equal(together, alone)


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_few_rows_are_prepared_as_many_are(rows: list[dict[str, object]]) -> None:
    few = pa.Table.from_pylist(rows, schema=SCHEMA)
    times = FEW_ROWS // len(rows) + 1
    many = pa.concat_tables([few] * times).combine_chunks()

    np.testing.assert_array_equal(np.tile(prepare(few, PREPARATION), (times, 1)), prepare(many, PREPARATION))


@given(st.lists(ROWS, min_size=2, max_size=6))
def test_rows_in_several_pieces_are_prepared_as_in_one(rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1)])

    np.testing.assert_array_equal(prepare(pieces, PREPARATION), prepare(table, PREPARATION))


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float32(), pa.bool_(), pa.int64()])
def test_numbers_of_every_type_are_read(kind: pa.DataType) -> None:
    column = pa.chunked_array([pa.array([1, None, 0]).cast(kind)])

    np.testing.assert_array_equal(numbers(column), [1.0, np.nan, 0.0])


def test_an_integer_no_float_can_hold_is_rounded() -> None:
    assert numbers(pa.chunked_array([pa.array([2**53 + 1])])) == [2.0**53]
    assert numbers(pa.chunked_array([pa.array([2**53 + 1]), pa.array([1])]))[0] == 2.0**53
