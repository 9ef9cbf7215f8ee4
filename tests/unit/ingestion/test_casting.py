from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.pipeline import ColumnType
from services.ingestion.casting import CastColumn, RetypedColumnError, cast_column


def cast(values: list[object], target: ColumnType, *, textual: bool = True, stored: pa.DataType = None) -> CastColumn:
    return cast_column(pa.chunked_array([pa.array(values, stored)]), target, textual=textual)


@pytest.mark.parametrize(
    ("target", "text", "value"),
    [
        (ColumnType.INTEGER, " +12 ", 12),
        (ColumnType.INTEGER, "4.0", 4),
        (ColumnType.INTEGER, "1234567890123456789", 1234567890123456789),
        (ColumnType.NUMBER, "-.5e2", -50.0),
        (ColumnType.BOOLEAN, "TRUE", True),
        (ColumnType.BOOLEAN, "0", False),
        (ColumnType.STRING, "NA", "NA"),
        (ColumnType.TIMESTAMP, "2013-01-31", datetime(2013, 1, 31, tzinfo=UTC)),
        (ColumnType.TIMESTAMP, "2013-01-31 05:06", datetime(2013, 1, 31, 5, 6, tzinfo=UTC)),
        (ColumnType.TIMESTAMP, "2013-01-31T05:06:07.25+02:00", datetime(2013, 1, 31, 3, 6, 7, 250_000, tzinfo=UTC)),
        (ColumnType.TIMESTAMP, "2013-01-31T05:06:07-0530", datetime(2013, 1, 31, 10, 36, 7, tzinfo=UTC)),
        (ColumnType.TIMESTAMP, "2013-01-31T05:06:07Z", datetime(2013, 1, 31, 5, 6, 7, tzinfo=UTC)),
    ],
)
def test_text_is_read_as_its_declared_type(target: ColumnType, text: str, value: object) -> None:
    found = cast([text], target)

    assert found.values.to_pylist() == [value]
    assert found.failed.to_pylist() == [False]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (ColumnType.INTEGER, "1.5"),
        (ColumnType.INTEGER, "99999999999999999999"),
        (ColumnType.NUMBER, "twelve"),
        (ColumnType.NUMBER, "inf"),
        (ColumnType.BOOLEAN, "maybe"),
        (ColumnType.TIMESTAMP, "2013-02-30"),
        (ColumnType.TIMESTAMP, "31/01/2013"),
        (ColumnType.TIMESTAMP, "2013-01-31T25:00"),
    ],
)
def test_text_of_another_type_is_marked(target: ColumnType, text: str) -> None:
    found = cast([text, None], target)

    assert found.values.to_pylist() == [None, None]
    assert found.failed.to_pylist() == [True, False]


@pytest.mark.parametrize("target", [ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN, ColumnType.TIMESTAMP])
def test_spellings_of_nothing_are_missing_not_wrong(target: ColumnType) -> None:
    found = cast(["NA", "NaN", "null", None], target)

    assert found.values.null_count == 4
    assert not any(found.failed.to_pylist())


def test_whole_floats_are_integers_and_nan_is_missing() -> None:
    found = cast([1.0, 2.5, float("nan"), None], ColumnType.INTEGER, textual=False)

    assert found.values.to_pylist() == [1, None, None, None]
    assert found.failed.to_pylist() == [False, True, False, False]


def test_stored_dates_and_local_times_become_moments_in_utc() -> None:
    dates = cast([date(2013, 1, 1)], ColumnType.TIMESTAMP, textual=False)
    local = cast([5 * 3600], ColumnType.TIMESTAMP, textual=False, stored=pa.timestamp("s"))

    assert dates.values.to_pylist() == [datetime(2013, 1, 1, tzinfo=UTC)]
    assert local.values.to_pylist() == [datetime(1970, 1, 1, 5, tzinfo=UTC)]


def test_unsigned_integers_beyond_the_table_are_marked() -> None:
    found = cast([7, 2**64 - 1], ColumnType.INTEGER, textual=False, stored=pa.uint64())

    assert found.values.to_pylist() == [7, None]
    assert found.failed.to_pylist() == [False, True]


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (["1"], ColumnType.INTEGER),
        ([1], ColumnType.STRING),
        ([1], ColumnType.BOOLEAN),
        (["2013-01-01"], ColumnType.TIMESTAMP),
        ([[1, 2]], ColumnType.NUMBER),
    ],
)
def test_stored_column_of_another_kind_is_retyped(values: list[object], target: ColumnType) -> None:
    with pytest.raises(RetypedColumnError, match=f"declared {target.value}"):
        cast(values, target, textual=False)


@given(st.lists(st.none() | st.integers(-(2**60), 2**60)))
def test_integers_written_as_text_come_back(values: list[int | None]) -> None:
    found = cast([None if value is None else str(value) for value in values], ColumnType.INTEGER, stored=pa.string())

    assert found.values.to_pylist() == values


@given(st.lists(st.text()), st.sampled_from(ColumnType))
def test_no_text_breaks_the_reader(values: list[str], target: ColumnType) -> None:
    found = cast(list(values), target, stored=pa.string())

    assert len(found.values) == len(found.failed) == len(values)
