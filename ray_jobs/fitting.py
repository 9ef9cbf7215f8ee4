"""Fitting a preparation: from sums over the training split, so that it is the same however rows are batched."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from contracts.bundle import NumericColumn, OrdinalColumn, Preparation, PreparedColumn, TargetColumn
from everloop.bundle.preparation import numbers
from ray_jobs.rows import Rows

LABEL = "label"
"""Column of the label, as a float, beside the features."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a trainer wants its matrix."""

    categories: Literal["target", "ordinal"]
    standardise: bool = False
    smoothing: float = 50.0
    """Rows of the overall mean that a category's own mean is mixed with."""


def fit_preparation(rows: Rows, encoding: Encoding) -> Preparation:
    """Fit a preparation.

    Args:
        rows: The training split's features with ``LABEL``, and nothing else.
        encoding: What the trainer wants.
    """
    sums = rows.map(_sums).collect()
    totals = sums.group_by(["column", "kind", "value"], use_threads=False).aggregate(
        [("rows", "sum"), ("labels", "sum"), ("total", "sum"), ("squares", "sum")]
    )
    parts: dict[str, list[dict[str, float | str]]] = {}
    for row in totals.sort_by([("column", "ascending"), ("value", "ascending")]).to_pylist():
        parts.setdefault(row["column"], []).append(row)
    return Preparation(
        columns=tuple(_fitted(name, parts[name], encoding) for name in sums["column"].unique().to_pylist())
    )


def _sums(batch: pa.Table) -> pa.Table:
    """Reduce a batch to a few rows: per number one, per category of a column one."""
    label = numbers(batch[LABEL])
    found = [
        _category_sums(name, batch[name], label) if _is_text(batch[name].type) else _number_sums(name, batch[name])
        for name in batch.column_names
        if name != LABEL
    ]
    return pa.concat_tables(found)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _number_sums(name: str, column: pa.ChunkedArray) -> pa.Table:
    values = numbers(column)
    values = values[np.isfinite(values)]
    return _row(name, "number", [""], [len(values)], [0.0], [values.sum()], [np.square(values).sum()])


def _category_sums(name: str, column: pa.ChunkedArray, label: np.ndarray) -> pa.Table:
    counted = pa.table({"value": column.cast(pa.string()), "label": label}).group_by("value", use_threads=False)
    sums = counted.aggregate([("label", "count"), ("label", "sum")])
    zero = np.zeros(sums.num_rows)
    return _row(name, "category", sums["value"].fill_null(_MISSING), sums["label_count"], sums["label_sum"], zero, zero)


_MISSING = "\0missing"


def _row(
    name: str, kind: str, values: object, rows: object, labels: object, total: object, squares: object
) -> pa.Table:
    length = len(values)  # type: ignore[arg-type]
    schema = {
        "value": pa.string(),
        "rows": pa.int64(),
        "labels": pa.float64(),
        "total": pa.float64(),
        "squares": pa.float64(),
    }
    columns = dict(zip(schema, (values, rows, labels, total, squares), strict=True))
    arrays = {
        key: pa.chunked_array([pa.array(part, schema[key])])
        if not isinstance(part, pa.ChunkedArray)
        else part.cast(schema[key])
        for key, part in columns.items()
    }
    return pa.table({"column": pa.array([name] * length), "kind": pa.array([kind] * length), **arrays})


def _fitted(name: str, parts: list[dict[str, float | str]], encoding: Encoding) -> PreparedColumn:
    if parts[0]["kind"] == "number":
        return _numeric(name, parts[0], standardise=encoding.standardise)
    known = [part for part in parts if part["value"] != _MISSING]
    if encoding.categories == "ordinal":
        return OrdinalColumn(name=name, vocabulary=tuple(str(part["value"]) for part in known))
    rows = sum(float(part["rows_sum"]) for part in parts)
    overall = sum(float(part["labels_sum"]) for part in parts) / rows
    means = {
        str(part["value"]): (float(part["labels_sum"]) + encoding.smoothing * overall)
        / (float(part["rows_sum"]) + encoding.smoothing)
        for part in known
    }
    return TargetColumn(name=name, means=means, default=overall)


def _numeric(name: str, sums: dict[str, float | str], *, standardise: bool) -> NumericColumn:
    rows = float(sums["rows_sum"])
    if not standardise or not rows:
        return NumericColumn(name=name, fill=0.0 if standardise else None)
    mean = float(sums["total_sum"]) / rows
    spread = float(np.sqrt(max(float(sums["squares_sum"]) / rows - mean**2, 0.0)))
    return NumericColumn(name=name, mean=mean, scale=spread or 1.0, fill=mean)
