"""Golden requests: a few real rows, some of them harmed, and the answers that every replica must repeat."""

import numpy as np
import pyarrow as pa

from contracts.bundle import GoldenRequests
from contracts.pipeline import ColumnType, DatasetContract
from everloop.bundle.rows import feature_rows
from ray_jobs.dataset import DataError, spread
from ray_jobs.evaluate import Score
from ray_jobs.rows import Rows

ROWS = 32
NEVER_SEEN = "never seen"
MAX_DIFFERENCE = 1e-9


def choose(holdout: Rows, dataset: DatasetContract) -> pa.Table:
    """Take rows spread over the held-out time, with every nullable column null in one of them and every open
    category unheard of in another.
    """
    return _harmed(spread(holdout, dataset, ROWS), dataset)


def ask(rows: pa.Table, model: Score, dataset: DatasetContract) -> GoldenRequests:
    """Record the answers.

    Raises:
        DataError: A row alone is answered otherwise than among others.
    """
    inputs = {column.name: tuple(map(_plain, rows[column.name].to_pylist())) for column in dataset.features}
    together = model(feature_rows(inputs, dataset))
    alone = np.concatenate(
        [
            model(feature_rows({name: values[place : place + 1] for name, values in inputs.items()}, dataset))
            for place in range(rows.num_rows)
        ]
    )
    if (difference := float(np.max(np.abs(together - alone)))) > MAX_DIFFERENCE:
        raise DataError(
            f"a row alone is answered otherwise than among others (by {difference:g}): "
            "the feature function looks beyond the row"
        )
    return GoldenRequests(inputs=inputs, scores=tuple(together.tolist()))


def _harmed(rows: pa.Table, dataset: DatasetContract) -> pa.Table:
    count = rows.num_rows
    for place, column in enumerate(dataset.features):
        index = rows.column_names.index(column.name)
        values = rows[column.name].to_pylist()
        if column.type is ColumnType.STRING and column.categories is None:
            values[-1 - place % count] = NEVER_SEEN
        if column.nullable:
            values[place % count] = None
        rows = rows.set_column(
            index, rows.schema.field(index).with_nullable(True), pa.array(values, rows[column.name].type)
        )
    return rows


def _plain(value: object) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
