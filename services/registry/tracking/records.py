"""Reads what runs have logged, for many runs at once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Row, TextClause, bindparam, column, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.tracking.domain import Dataset, DatasetInput, Metric, ModelOutput, RunRecord

NAN = float("nan")


def _of_runs(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("run_ids", expanding=True))


_METRIC, _TAG, _PARAM, _USED, _MADE, _DATASET = range(6)
_LOGGED = _of_runs(
    "SELECT 0 AS kind, run_id, key, NULL AS value, value AS number, is_nan, timestamp_ms, step, 0 AS place"
    " FROM latest_metrics WHERE run_id IN :run_ids"
    " UNION ALL SELECT 1, run_id, key, value, NULL, NULL, NULL, 0, 0 FROM run_tags WHERE run_id IN :run_ids"
    " UNION ALL SELECT 2, run_id, key, value, NULL, NULL, NULL, 0, 0 FROM params WHERE run_id IN :run_ids"
    " UNION ALL SELECT CASE WHEN made THEN 4 ELSE 3 END, run_id, model_id, NULL, NULL, NULL, NULL, step, place"
    " FROM run_models WHERE run_id IN :run_ids"
    " UNION ALL SELECT 5, run_id, '', NULL, NULL, NULL, NULL, 0, 0 FROM run_datasets WHERE run_id IN :run_ids"
    " ORDER BY kind, place, key"
)
"""Everything that is a word or a number, and whether there are datasets: a question costs as much as all it finds."""
_DATASETS = (
    _of_runs(
        "SELECT u.run_id, u.tags, d.name, d.digest, d.source_type, d.source, d.schema, d.profile FROM run_datasets u"
        " JOIN datasets d ON d.experiment_id = u.experiment_id AND d.name = u.name AND d.digest = u.digest"
        " WHERE u.run_id IN :run_ids ORDER BY u.run_id, u.place"
    )
).columns(
    column("run_id"),
    column("tags", JSON),
    *map(column, ("name", "digest", "source_type", "source", "schema", "profile")),
)


async def read_records(connection: AsyncConnection, run_ids: Sequence[str]) -> dict[str, RunRecord]:
    """Read what runs have logged; a run that logged nothing has an empty record."""
    if not run_ids:
        return {}
    given = {"run_ids": list(run_ids)}
    metrics: dict[str, list[Metric]] = defaultdict(list)
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    params: dict[str, dict[str, str]] = defaultdict(dict)
    used: dict[str, list[str]] = defaultdict(list)
    made: dict[str, list[ModelOutput]] = defaultdict(list)
    datasets: dict[str, list[DatasetInput]] = defaultdict(list)
    kind = _METRIC
    for kind, run_id, key, value, number, is_nan, timestamp_ms, step, _ in await connection.execute(_LOGGED, given):
        if kind == _METRIC:
            metrics[run_id].append(Metric(key, NAN if is_nan else number, timestamp_ms, step))
        elif kind == _TAG:
            tags[run_id][key] = value
        elif kind == _PARAM:
            params[run_id][key] = value
        elif kind == _USED:
            used[run_id].append(key)
        elif kind == _MADE:
            made[run_id].append(ModelOutput(key, step))
    # They come last, if there are any.
    if kind == _DATASET:
        for run_id, noted, *dataset in await connection.execute(_DATASETS, given):
            datasets[run_id].append(DatasetInput(Dataset(*dataset), noted))
    return {
        run_id: RunRecord(
            metrics=tuple(metrics[run_id]),
            params=params[run_id],
            tags=tags[run_id],
            datasets=tuple(datasets[run_id]),
            model_inputs=tuple(used[run_id]),
            model_outputs=tuple(made[run_id]),
        )
        for run_id in run_ids
    }


def point(row: Row[Any]) -> Metric:
    """Read a point; databases do not agree about NaN, so it is flagged."""
    return Metric(row.key, NAN if row.is_nan else row.value, row.timestamp_ms, row.step)
