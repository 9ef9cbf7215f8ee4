"""What a batch looks like, column by column: the dataset's passport photo, kept with its version."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.pipeline import ColumnType, DatasetContract
from contracts.profile import ColumnProfile, DatasetProfile

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
HISTOGRAM_CELLS = 20
TOP_VALUES = 20
MAX_TEXT = 100


def profile_rows(rows: pa.Table, contract: DatasetContract) -> DatasetProfile:
    """Summarise rows that kept their contract.

    Args:
        rows: Declared columns in declared types; at least one row.
        contract: Which columns there are.
    """
    span = pc.min_max(rows.column(contract.event_time.name)).as_py()
    columns = tuple(profile_column(rows.column(c.name), c.name, c.type) for c in contract.columns)
    return DatasetProfile(rows=rows.num_rows, first_event=span["min"], last_event=span["max"], columns=columns)


def profile_column(values: pa.ChunkedArray, name: str, type_: ColumnType) -> ColumnProfile:
    """Summarise one column. Times are numbers too: seconds since 1970 in UTC."""
    summary = ColumnProfile(
        name=name,
        type=type_,
        rows=len(values),
        missing=values.null_count,
        distinct=pc.count_distinct(values, mode="only_valid").as_py(),
    )
    match type_:
        case ColumnType.STRING | ColumnType.BOOLEAN:
            return summary.model_copy(update={"top": _top(values)})
        case ColumnType.TIMESTAMP:
            return summary.model_copy(
                update=_numbers(pc.divide(values.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6))
            )
        case ColumnType.INTEGER | ColumnType.NUMBER:
            return summary.model_copy(update=_numbers(values))


def _top(values: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    """Count the most frequent values; equals in alphabetical order, so that the same rows give the same profile."""
    counts = pc.value_counts(values.drop_null().cast(pa.string()))
    table = pa.table({"value": counts.field("values"), "count": counts.field("counts")})
    first = table.sort_by([("count", "descending"), ("value", "ascending")]).slice(0, TOP_VALUES)
    return tuple((str(row["value"])[:MAX_TEXT], row["count"]) for row in first.to_pylist())


def _numbers(values: pa.ChunkedArray) -> dict[str, object]:
    numbers = values.drop_null().cast(pa.float64(), safe=False).to_numpy()
    if not len(numbers):
        return {}
    # Numbers near the largest float overflow sums and widths; such a summary is left out, not wrong.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, quantiles = float(numbers.mean()), np.quantile(numbers, LEVELS)
        edges, counts = _histogram(numbers)
    return {
        "minimum": float(numbers.min()),
        "maximum": float(numbers.max()),
        "mean": mean if np.isfinite(mean) else None,
        "quantiles": {
            str(level): float(value) for level, value in zip(LEVELS, quantiles, strict=True) if np.isfinite(value)
        },
        "histogram_edges": edges,
        "histogram_counts": counts,
    }


def _histogram(numbers: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Count in equally wide cells; in a single one where all numbers are (nearly) the same."""
    low, high = float(numbers.min()), float(numbers.max())
    edges = np.linspace(low, high, HISTOGRAM_CELLS + 1)
    if not np.isfinite(edges).all() or len(np.unique(edges)) <= HISTOGRAM_CELLS:
        return (low, high), (len(numbers),)
    counts, _ = np.histogram(numbers, bins=edges)
    return tuple(edges.tolist()), tuple(counts.tolist())
