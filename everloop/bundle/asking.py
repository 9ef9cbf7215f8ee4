"""Rows in whatever a program holds them: columns, rows, Arrow, pandas, Polars."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from contracts.pipeline import Column, ColumnType, DatasetContract
from everloop.bundle.explaining import Attributions
from everloop.bundle.logged import LoggedModel
from everloop.bundle.model import Model, Scores
from everloop.bundle.rows import InputError, arrow_type


class ArrowTable(Protocol):
    """Anything that can be read as Arrow: tables and record batches, frames of pandas and Polars."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export as the Arrow PyCapsule interface says."""


Columns = Mapping[str, Sequence[object]]
Rows = Columns | Sequence[Mapping[str, object]] | ArrowTable


def predict(model: Model | LoggedModel, rows: Rows) -> Scores:
    """Score rows in any form; see ``LoadedModel.predict``.

    Raises:
        InputError: A column lacks, is unknown, of another kind, or has a null it must not have.
    """
    if isinstance(model, LoggedModel):
        return model.predict(_plain(rows, [spec.name for spec in model.signature.inputs]))
    asked = _read(rows, model.definition.dataset)
    return model.predict_table(asked) if isinstance(asked, pa.Table) else model.predict(asked)


def explain(model: Model | LoggedModel, rows: Rows) -> Attributions:
    """Explain rows in any form. Raises as ``predict`` and ``Model.explain`` do."""
    if isinstance(model, LoggedModel):
        return model.explain({})
    asked = _read(rows, model.definition.dataset)
    return model.explain(asked.to_pydict() if isinstance(asked, pa.Table) else asked)


def _read(rows: Rows, dataset: DatasetContract) -> Columns | pa.Table:
    """Read rows as columns of plain values, or as a table of the features in the dataset's types.

    Widths may differ (int32, large_string, dictionaries), kinds may not: text is no number. Integers may come as whole
    floats, which is how pandas holds integers that are missing here and there.
    """
    if isinstance(rows, Mapping):
        return rows
    if isinstance(rows, Sequence):
        return _columns(rows, [column.name for column in dataset.features])
    table = pa.table(rows)
    if missing := [column.name for column in dataset.features if column.name not in table.column_names]:
        raise InputError(f"missing: {', '.join(missing)}")
    return pa.table({column.name: _typed(table[column.name], column) for column in dataset.features})


def _plain(rows: Rows, names: Sequence[str]) -> Columns:
    """Read rows as columns of plain values, whatever their types; the model tells what it does not take."""
    if isinstance(rows, Mapping):
        return rows
    if isinstance(rows, Sequence):
        return _columns(rows, names)
    table = pa.table(rows)
    if missing := [name for name in names if name not in table.column_names]:
        raise InputError(f"missing: {', '.join(missing)}")
    return {name: table[name].to_pylist() for name in names}


def _columns(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> Columns:
    for place, row in enumerate(rows):
        if unknown := sorted(set(row) - set(names)):
            raise InputError(f"row {place}: unknown: {', '.join(unknown)}; the features are {', '.join(names)}")
    return {name: [row.get(name) for row in rows] for name in names}


def _typed(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    kind = values.type.value_type if kinds.is_dictionary(values.type) else values.type
    if not (kinds.is_null(kind) or any(fits(kind) for fits in _FITTING[column.type])):
        raise InputError(f"{column.name}: expected {column.type.value}, got {values.type}")
    try:
        if column.type is ColumnType.TIMESTAMP and kinds.is_integer(kind):
            values = values.cast(pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
        values = values.cast(arrow_type(column.type))
    except pa.ArrowException as error:
        raise InputError(f"{column.name}: expected {column.type.value}: {error}") from error
    known = pc.is_finite(values) if column.type is ColumnType.NUMBER else pc.is_valid(values)
    if not column.nullable and not pc.all(pc.fill_null(known, fill_value=False)).as_py():
        raise InputError(f"{column.name}: null, NaN or an infinity, and the column is not nullable")
    return values


_FITTING: Mapping[ColumnType, tuple[Callable[[pa.DataType], bool], ...]] = {
    ColumnType.INTEGER: (kinds.is_integer, kinds.is_floating),
    ColumnType.NUMBER: (kinds.is_integer, kinds.is_floating, kinds.is_decimal),
    ColumnType.STRING: (kinds.is_string, kinds.is_large_string, kinds.is_string_view),
    ColumnType.BOOLEAN: (kinds.is_boolean,),
    ColumnType.TIMESTAMP: (kinds.is_timestamp, kinds.is_date, kinds.is_integer, kinds.is_string, kinds.is_large_string),
}
