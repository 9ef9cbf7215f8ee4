"""How two versions of a dataset differ: rows, columns, and what the values look like."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from services.ingestion.identity import row_keys, value_keys

CELLS = 32


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """How one column moved.

    Attributes:
        missing_before: Share of rows without a value, 0 to 1.
        mean_before: Mean of a column of numbers.
        shift: Total variation distance: the share of rows that would have to change their value to make both
            versions look alike; 0 for equal distributions, 1 for disjoint ones. Numbers are compared by the
            quantiles of the earlier version.
    """

    name: str
    missing_before: float
    missing_after: float
    mean_before: float | None
    mean_after: float | None
    shift: float


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What changed from one version to another.

    Attributes:
        rows_added: Rows of the later version the earlier one lacks, repeats counted, by the columns both have.
    """

    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    schema_changes: tuple[str, ...]
    columns: tuple[ColumnShift, ...]


def compare(before: pa.Table, after: pa.Table) -> DatasetDiff:
    """Compare all rows of two versions; columns that moved most come first."""
    shared = [
        field.name
        for field in before.schema
        if field.name in after.column_names and after.schema.field(field.name).type == field.type
    ]
    added, removed = _rows_changed(before.select(shared), after.select(shared))
    shifts = [_shift(name, before.column(name), after.column(name)) for name in shared]
    return DatasetDiff(
        rows_before=before.num_rows,
        rows_after=after.num_rows,
        rows_added=added,
        rows_removed=removed,
        schema_changes=_schema_changes(before.schema, after.schema),
        columns=tuple(sorted(shifts, key=lambda shift: -shift.shift)),
    )


def _schema_changes(before: pa.Schema, after: pa.Schema) -> tuple[str, ...]:
    changes = [f"missing column {field.name} ({field.type})" for field in before if field.name not in after.names]
    changes += [f"added column {field.name} ({field.type})" for field in after if field.name not in before.names]
    changes += [
        f"retyped column {field.name}: {field.type} became {after.field(field.name).type}"
        for field in before
        if field.name in after.names and after.field(field.name).type != field.type
    ]
    return tuple(changes)


def _rows_changed(before: pa.Table, after: pa.Table) -> tuple[int, int]:
    keys = row_keys(pa.concat_tables([before, after]))
    if not len(keys):
        return 0, 0
    cells = int(keys.max()) + 1
    difference = np.bincount(keys[before.num_rows :], minlength=cells) - np.bincount(
        keys[: before.num_rows], minlength=cells
    )
    return int(difference[difference > 0].sum()), int(-difference[difference < 0].sum())


def _shift(name: str, before: pa.ChunkedArray, after: pa.ChunkedArray) -> ColumnShift:
    number = pt.is_integer(before.type) or pt.is_floating(before.type)
    return ColumnShift(
        name=name,
        missing_before=_share_missing(before),
        missing_after=_share_missing(after),
        mean_before=pc.mean(before).as_py() if number else None,
        mean_after=pc.mean(after).as_py() if number else None,
        shift=_total_variation(before, after),
    )


def _share_missing(values: pa.ChunkedArray) -> float:
    return values.null_count / len(values) if len(values) else 0.0


def _total_variation(before: pa.ChunkedArray, after: pa.ChunkedArray) -> float:
    if not len(before) or not len(after):
        return float(len(before) != len(after))
    codes = _cells(pa.chunked_array([*before.chunks, *after.chunks], before.type), len(before))
    cells = int(codes.max()) + 1
    shares_before = np.bincount(codes[: len(before)], minlength=cells) / len(before)
    shares_after = np.bincount(codes[len(before) :], minlength=cells) / len(after)
    return round(float(np.abs(shares_before - shares_after).sum() / 2), 6)


def _cells(values: pa.ChunkedArray, count_before: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Put every value into a cell: missing, a quantile's cell of the first ``count_before``, or a value of its own."""
    if pt.is_string(values.type) or pt.is_large_string(values.type) or pt.is_boolean(values.type):
        return value_keys(values)
    if pt.is_timestamp(values.type):
        values = values.cast(pa.int64())
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    known = numbers[:count_before][~np.isnan(numbers[:count_before])]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, CELLS + 1)[1:-1])) if len(known) else np.empty(0)
    # searchsorted puts NaN, which stands for missing, behind the last edge: a cell of its own is added for it.
    return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="right")).astype(np.int64)
