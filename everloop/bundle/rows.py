"""Rows as the dataset's contract declares them: Arrow types, signatures, and tables made of plain values."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.bundle import DataType, Signature, TensorSpec
from contracts.pipeline import Column, ColumnType, DatasetContract, NonFinite

SCORE = "score"
"""Name of the model's answer: the probability of the label, or the estimated value."""

_ARROW = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}
_TENSOR = {
    ColumnType.INTEGER: DataType.INT64,
    ColumnType.NUMBER: DataType.FP64,
    ColumnType.STRING: DataType.BYTES,
    ColumnType.BOOLEAN: DataType.BOOL,
    ColumnType.TIMESTAMP: DataType.BYTES,
}


class InputError(ValueError):
    """Rows that the model can't be asked with; the message names the column and what is wrong."""


def arrow_type(kind: ColumnType) -> pa.DataType:
    """Give the Arrow type a declared column is held in."""
    return _ARROW[kind]


def arrow_schema(dataset: DatasetContract) -> pa.Schema:
    """Give the schema a dataset's table has, in declared order."""
    return pa.schema([pa.field(column.name, _ARROW[column.type], column.nullable) for column in dataset.columns])


def signature_of(dataset: DatasetContract) -> Signature:
    """Say what a model of this dataset is asked with (its feature columns) and answers."""
    inputs = tuple(
        TensorSpec(
            name=column.name,
            datatype=_TENSOR[column.type],
            nullable=column.nullable,
            non_finite=column.non_finite,
        )
        for column in dataset.features
    )
    return Signature(inputs=inputs, outputs=(TensorSpec(name=SCORE, datatype=DataType.FP64),))


class FeatureRows:
    """Makes tables of a dataset's feature columns from plain values; for many calls."""

    def __init__(self, dataset: DatasetContract) -> None:
        # The type of a timestamp is read off its values.
        self._columns = [
            (column, None if column.type is ColumnType.TIMESTAMP else _ARROW[column.type])
            for column in dataset.features
        ]
        self._names = [column.name for column, _ in self._columns]
        self._declared = set(self._names)

    def __call__(self, columns: Mapping[str, Sequence[object]]) -> pa.Table:
        """Make a table.

        Args:
            columns: Values by column, all of one length; None is missing. Timestamps are datetimes, ISO-8601
                strings or milliseconds since 1970.

        Raises:
            InputError: A column lacks, is unknown, of another length or type, or has a null or a number that is not
                finite where it must not.
        """
        if unknown := sorted(columns.keys() - self._declared):
            raise InputError(f"unknown: {', '.join(unknown)}; the features are {', '.join(sorted(self._declared))}")
        if missing := sorted(self._declared - columns.keys()):
            raise InputError(f"missing: {', '.join(missing)}")
        lengths = set(map(len, columns.values()))
        if len(lengths) != 1:
            raise InputError(f"columns have different lengths: {sorted(lengths)}")
        arrays = [_array(columns[column.name], column, kind) for column, kind in self._columns]
        return pa.Table.from_arrays(arrays, self._names)


def feature_rows(columns: Mapping[str, Sequence[object]], dataset: DatasetContract) -> pa.Table:
    """Make a table of the feature columns from plain values once; see `FeatureRows`."""
    return FeatureRows(dataset)(columns)


def typed_rows(rows: pa.Table, dataset: DatasetContract) -> pa.Table:
    """Take the feature columns of a table that already has the dataset's types. What is null there stays so, in any
    column: an older model is asked about rows of a contract that has become wider.

    Raises:
        InputError: A column holds a number that is not finite where it must not.
        KeyError: A column is not there.
    """
    return pa.table({column.name: _finite(rows[column.name], column) for column in dataset.features})


def _array(values: Sequence[object], column: Column, kind: pa.DataType | None) -> pa.Array:
    try:
        array = _timestamps(values) if kind is None else pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{column.name}: expected {column.type.value}: {error}") from error
    array = _finite(array, column)
    if array.null_count and not column.nullable:
        raise InputError(f"{column.name}: null, and the column is not nullable")
    return array


def _finite(values: pa.Array | pa.ChunkedArray, column: Column) -> pa.Array | pa.ChunkedArray:
    """Settle NaN and infinities by the column's policy: they become null, or are refused."""
    if column.type is not ColumnType.NUMBER:
        return values
    # Null reads as NaN here.
    finite = np.isfinite(values.to_numpy(zero_copy_only=False))
    if len(finite) - np.count_nonzero(finite) == values.null_count:
        return values
    if column.non_finite is NonFinite.REFUSE:
        raise InputError(f"{column.name}: NaN or an infinity, and the column takes only finite numbers")
    if column.non_finite is NonFinite.NAN_IS_MISSING and pc.any(pc.is_inf(values)).as_py():
        raise InputError(f"{column.name}: an infinity, and the column takes only NaN for missing")
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))


def _timestamps(values: Sequence[object]) -> pa.Array:
    array = pa.array(values)
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64()).cast(pa.timestamp("ms", tz="UTC")).cast(_ARROW[ColumnType.TIMESTAMP])
    if pa.types.is_string(array.type):
        return pc.cast(array, pa.timestamp("us", tz="UTC"))
    return array.cast(_ARROW[ColumnType.TIMESTAMP])
