"""Columns as they came, turned into the types the contract declares, with a mask of what could not be."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from contracts.pipeline import ColumnType, NonFinite

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}
"""Types columns have in the table. Timestamps are in UTC; ones without a zone are taken to be."""

NULL_SPELLINGS = ("NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "None")
"""Texts that mean missing, in columns that are not text themselves."""
INFINITY_SPELLINGS = tuple(
    sign + text for sign in ("", "+", "-") for text in ("inf", "Inf", "INF", "infinity", "Infinity")
)

TRUE_SPELLINGS = ("true", "t", "yes", "y", "1")
FALSE_SPELLINGS = ("false", "f", "no", "n", "0")
# Stops short of the largest 64-bit integer by a quarter of a percent; beyond it a cast would fail the column.
INTEGER_PATTERN = r"^[+-]?([0-9]{1,18}|[1-8][0-9]{18}|9[01][0-9]{17})(\.0*)?$"
NUMBER_PATTERN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
ISO_PATTERN = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<minute>[0-9]{2}:[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?P<zone>Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
LARGEST_WHOLE = 2.0**53
FIRST_MOMENT = datetime(1, 1, 2, tzinfo=UTC)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


class RetypedColumnError(TypeError):
    """A column holds another kind of value altogether; the message names it."""


@dataclass(frozen=True, slots=True)
class CastColumn:
    """A column in its declared type.

    Attributes:
        values: Null where the value was missing or could not be converted.
        failed: True where a value was there and could not be converted; shape (rows,), no nulls.
    """

    values: pa.ChunkedArray
    failed: pa.ChunkedArray


def cast_column(
    column: pa.ChunkedArray,
    target: ColumnType,
    *,
    textual: bool,
    non_finite: NonFinite = NonFinite.NAN_IS_MISSING,
) -> CastColumn:
    """Convert a column to its declared type, value by value.

    Args:
        column: Values as they came.
        target: The declared type.
        textual: Whether numbers and times are still text, as in CSV. Elsewhere text is no number.
        non_finite: Which numbers that are not finite are missing; others could not be converted.

    Raises:
        RetypedColumnError: No value of the column's type is of the declared type.
    """
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_null(column.type):
        values = column.cast(ARROW_TYPES[target])
    elif textual and target is not ColumnType.STRING:
        text = pc.utf8_trim_whitespace(column)
        text = _where(_is_one_of(text, _null_spellings(target, non_finite)), text)
        column, values = text, _PARSERS[target](text)
    else:
        column, values = _from_stored(column, target, non_finite)
    failed = pc.and_(column.is_valid(), values.is_null())
    return CastColumn(values, failed)


def _null_spellings(target: ColumnType, non_finite: NonFinite) -> tuple[str, ...]:
    if target is ColumnType.NUMBER and non_finite is NonFinite.REFUSE:
        return tuple(spelling for spelling in NULL_SPELLINGS if spelling.lower() != "nan")
    if target is ColumnType.NUMBER and non_finite is NonFinite.MISSING:
        return (*NULL_SPELLINGS, *INFINITY_SPELLINGS)
    return NULL_SPELLINGS


def _from_stored(
    column: pa.ChunkedArray, target: ColumnType, non_finite: NonFinite
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Pair what counts as present with its conversion."""
    kind = column.type
    numeric = pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)
    if target is ColumnType.STRING and (pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)):
        return column, column.cast(pa.string())
    if target is ColumnType.BOOLEAN and pt.is_boolean(kind):
        return column, column
    if target is ColumnType.TIMESTAMP and (pt.is_timestamp(kind) or pt.is_date(kind)):
        return column, _to_utc(column)
    if target is ColumnType.INTEGER and pt.is_integer(kind):
        return column, _where(_beyond_int64(column), column).cast(pa.int64())
    if target in (ColumnType.INTEGER, ColumnType.NUMBER) and numeric:
        numbers = column.cast(pa.float64(), safe=False)
        if target is ColumnType.INTEGER:
            present = _without_nan(numbers)
            return present, _whole(present)
        return _present(numbers, non_finite), _finite(numbers)
    raise RetypedColumnError(f"declared {target.value}, holds {kind}")


def _parse_integer(text: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = _where(pc.invert(pc.match_substring_regex(text, INTEGER_PATTERN)), text)
    return pc.replace_substring_regex(whole, r"^\+|\.0*$", "").cast(pa.int64())


def _parse_number(text: pa.ChunkedArray) -> pa.ChunkedArray:
    numbers = _where(pc.invert(pc.match_substring_regex(text, NUMBER_PATTERN)), text)
    return _finite(pc.replace_substring_regex(numbers, r"^\+", "").cast(pa.float64()))


def _parse_boolean(text: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.utf8_lower(text)
    true = _is_one_of(lower, TRUE_SPELLINGS)
    return _where(pc.invert(pc.or_(true, _is_one_of(lower, FALSE_SPELLINGS))), true)


def _parse_timestamp(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Parse ISO 8601, a date alone included."""
    parts = pc.extract_regex(text, ISO_PATTERN)
    day, minute, second, fraction, zone = (
        pc.struct_field(parts, [place]) for place in ("day", "minute", "second", "fraction", "zone")
    )
    minute, second = _default(minute, "00:00"), _default(second, "00")
    moment = pc.binary_join_element_wise(day, pc.binary_join_element_wise(minute, second, ":"), "T")
    local = pc.strptime(moment, format="%Y-%m-%dT%H:%M:%S", unit="us", error_is_null=True)
    # strptime reads 30 February as 2 March.
    local = _where(pc.not_equal(pc.day(local), pc.utf8_slice_codeunits(day, 8, 10).cast(pa.int64())), local)
    micros = pc.utf8_slice_codeunits(pc.utf8_rpad(_default(fraction, "0"), 6, "0"), 0, 6).cast(pa.int64())
    since_epoch = pc.add(local.cast(pa.int64()), pc.subtract(micros, _offset_micros(zone)))
    return since_epoch.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))


def _offset_micros(zone: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn +02:00, -0530 or Z into microseconds east of Greenwich."""
    digits = pc.utf8_rpad(pc.replace_substring_regex(_default(zone, "+00"), "[Zz]", "+00"), 3, "0")
    digits = pc.utf8_rpad(pc.replace_substring(digits, ":", ""), 5, "0")
    hours = pc.utf8_slice_codeunits(digits, 1, 3).cast(pa.int64())
    minutes = pc.utf8_slice_codeunits(digits, 3, 5).cast(pa.int64())
    sign = pc.if_else(pc.starts_with(digits, "-"), -1, 1)
    return pc.multiply(pc.multiply(sign, pc.add(pc.multiply(hours, 60), minutes)), 60_000_000)


_PARSERS: dict[ColumnType, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    ColumnType.INTEGER: _parse_integer,
    ColumnType.NUMBER: _parse_number,
    ColumnType.BOOLEAN: _parse_boolean,
    ColumnType.TIMESTAMP: _parse_timestamp,
}


def _to_utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not (pt.is_timestamp(column.type) and column.type.tz):
        column = column.cast(pa.timestamp("us"), safe=False)
    moments = column.cast(pa.timestamp("us", tz="UTC"), safe=False)
    beyond = pc.or_(pc.less(moments, FIRST_MOMENT), pc.greater(moments, LAST_MOMENT))
    return _where(beyond, moments)


def _beyond_int64(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.uint64():
        return pc.is_null(column)
    return pc.greater(column, pa.scalar(2**63 - 1, pa.uint64()))


def _without_nan(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take NaN for missing: that is how dataframes write it."""
    return _where(pc.is_nan(numbers), numbers)


def _present(numbers: pa.ChunkedArray, non_finite: NonFinite) -> pa.ChunkedArray:
    match non_finite:
        case NonFinite.REFUSE:
            return numbers
        case NonFinite.NAN_IS_MISSING:
            return _without_nan(numbers)
        case NonFinite.MISSING:
            return _finite(numbers)


def _finite(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return _where(pc.invert(pc.is_finite(numbers)), numbers)


def _whole(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less_equal(pc.abs(numbers), LARGEST_WHOLE))
    return _where(pc.invert(whole), numbers).cast(pa.int64())


def _is_one_of(text: pa.ChunkedArray, spellings: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(text, pa.array(spellings))


def _where(unwanted: pa.ChunkedArray, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null the unwanted values."""
    return pc.if_else(pc.fill_null(unwanted, True), pa.scalar(None, column.type), column)


def _default(text: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    """Fill groups that did not take part in a match: they come out empty, not null."""
    return pc.if_else(pc.equal(text, ""), value, text)
