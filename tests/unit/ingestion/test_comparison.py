import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.comparison import compare
from tests.fakes.ingestion import examples


def test_equal_versions_do_not_differ() -> None:
    diff = compare(examples.rows(50), examples.rows(50))

    assert (diff.rows_added, diff.rows_removed, diff.schema_changes) == (0, 0, ())
    assert all(column.shift == 0 for column in diff.columns)


def test_rows_added_and_removed_are_counted_with_repeats() -> None:
    before = pa.concat_tables([examples.rows(3), examples.rows(1)])
    after = pa.concat_tables([examples.rows(2), examples.rows(4, first=10)])

    diff = compare(before, after)

    assert (diff.rows_before, diff.rows_after) == (4, 6)
    assert (diff.rows_added, diff.rows_removed) == (4, 2)


def test_missing_values_are_equal_to_each_other() -> None:
    rows = examples.rows(3, weight_kg=pa.array([None, None, 1.0]))

    assert compare(rows, rows).rows_added == 0


def test_column_that_moved_comes_first_with_how_far() -> None:
    before = examples.rows(40)
    after = examples.rows(40, carrier=pa.array(["air"] * 30 + ["drone"] * 10))

    first = compare(before, after).columns[0]

    assert first.name == "carrier"
    assert first.shift == 0.65


def test_schema_differences_are_named() -> None:
    before = examples.rows().append_column("colour", pa.array(["red"] * 6))
    after = examples.rows(parcel=pa.array(["a"] * 6)).append_column("size", pa.array([1] * 6))

    assert compare(before, after).schema_changes == (
        "missing column colour (string)",
        "added column size (int64)",
        "retyped column parcel: int64 became string",
    )


ROWS = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("abc")))


@given(ROWS, ROWS)
def test_row_counts_balance_and_shifts_are_shares(before: list[tuple[int, str]], after: list[tuple[int, str]]) -> None:
    schema = pa.schema({"number": pa.int64(), "letter": pa.string()})
    tables = [pa.table(list(zip(*rows, strict=True)) or [[], []], schema=schema) for rows in (before, after)]

    diff = compare(*tables)

    assert len(before) + diff.rows_added - diff.rows_removed == len(after)
    assert all(0 <= column.shift <= 1 for column in diff.columns)
