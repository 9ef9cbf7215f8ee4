"""What of the label could have been known beforehand: looked for in the rows, before anybody believes a metric."""

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.jobs import Leakage
from contracts.pipeline import ColumnName, ColumnRole, ColumnType, DatasetContract
from everloop.bundle.preparation import Preparer, numbers
from ray_jobs.dataset import Splits
from ray_jobs.fitting import LABEL, Encoding, fit_preparation
from ray_jobs.rows import Rows, Transform

Values = NDArray[np.float64]


def find_leakage(splits: Splits, dataset: DatasetContract, featured: Transform) -> Leakage:
    """Look for what a model should not know.

    Args:
        splits: The labelled rows.
        dataset: Their contract.
        featured: Gives the model's columns and ``LABEL`` for rows of the dataset.
    """
    train, holdout = splits.train.rows, splits.holdout.rows
    power = _power(train.map(featured), holdout.map(featured).collect())
    secrets = {column.name for column in (dataset.label, *dataset.of_role(ColumnRole.LABEL_TIME))}
    return Leakage(
        named=tuple(name for name in power if name in secrets),
        power=power,
        duplicates=_duplicates(train, holdout, dataset),
        late_labels=_late_labels(train, dataset, splits.holdout.report.start),
        from_future=_from_future(holdout, dataset),
    )


def rank_correlation(values: Values, labels: Values) -> float:
    """Tell how much of the labels' order is in a column: 0 nothing, 1 or -1 everything.

    For labels of two values this is 2 AUC - 1, else Spearman's coefficient. A missing value ranks below all others.
    """
    places, wanted = _ranks(np.where(np.isnan(values), -np.inf, values)), _ranks(labels)
    # With two labels, ties among them are no lack of order: what counts is the order of one against the other.
    if len(np.unique(labels)) == 2:
        ones = labels == labels.max()
        return float(2 * (places[ones].mean() - places[~ones].mean()) / len(labels))
    if np.ptp(places) == 0 or np.ptp(wanted) == 0:
        return 0.0
    return float(np.corrcoef(places, wanted)[0, 1])


def _ranks(values: Values) -> Values:
    """Rank from 1; equal values share the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: Values = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return shared


def _power(train_features: Rows, holdout: pa.Table) -> dict[str, float]:
    """Measure each column alone; a category stands for the label's mean among its training rows."""
    preparation = fit_preparation(train_features, Encoding(categories="target"))
    matrix, labels = Preparer(preparation)(holdout), numbers(holdout[LABEL])
    return {
        column.name: abs(rank_correlation(matrix[:, place].astype(np.float64), labels))
        for place, column in enumerate(preparation.columns)
    }


def _duplicates(train: Rows, holdout: Rows, dataset: DatasetContract) -> int:
    names = [*(column.name for column in dataset.features), dataset.label.name]

    def digests(batch: pa.Table) -> pa.Table:
        rows = zip(*(batch[name].to_pylist() for name in names), strict=True)
        shortened = (blake2b(repr(row).encode(), digest_size=8).digest() for row in rows)
        return pa.table({"digest": pa.array(shortened, pa.binary(8))})

    known = train.map(digests).collect()["digest"].combine_chunks()
    return int(pc.sum(pc.is_in(holdout.map(digests).collect()["digest"], value_set=known)).as_py() or 0)


def _late_labels(train: Rows, dataset: DatasetContract, holdout_start: datetime) -> int | None:
    if not (told := dataset.of_role(ColumnRole.LABEL_TIME)):
        return None
    name = told[0].name
    return _count(train, lambda batch: pc.greater_equal(batch[name], pa.scalar(holdout_start, batch[name].type)))


def _from_future(holdout: Rows, dataset: DatasetContract) -> dict[ColumnName, int]:
    def count(name: ColumnName) -> int:
        return _count(holdout, lambda batch: pc.greater(batch[name], batch[dataset.event_time.name]))

    return {column.name: count(column.name) for column in dataset.features if column.type is ColumnType.TIMESTAMP}


def _count(rows: Rows, condition: Callable[[pa.Table], pa.ChunkedArray]) -> int:
    """Count the rows that fulfil a condition; those of which it can't be told do not."""

    def counted(batch: pa.Table) -> pa.Table:
        return pa.table({"rows": pa.array([pc.sum(condition(batch)).as_py() or 0], pa.int64())})

    return int(pc.sum(rows.map(counted).collect()["rows"]).as_py() or 0)
