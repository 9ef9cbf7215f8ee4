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


_METRICS = _of_runs(
    "SELECT run_id, key, value, timestamp_ms, step, is_nan FROM latest_metrics WHERE run_id IN :run_ids"
    " ORDER BY run_id, key"
)
_TAG, _PARAM, _USED = range(3)
_ENTRIES = _of_runs(
    "SELECT 0 AS kind, run_id, key, value, 0 AS step, 0 AS place FROM run_tags WHERE run_id IN :run_ids"
    " UNION ALL SELECT 1, run_id, key, value, 0, 0 FROM params WHERE run_id IN :run_ids"
    " UNION ALL SELECT CASE WHEN made THEN 3 ELSE 2 END, run_id, model_id, '', step, place FROM run_models"
    " WHERE run_id IN :run_ids ORDER BY kind, place, key"
)
"""Tags, parameters, models used and models made, by one question: each costs as much as all it finds."""
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
    for row in await connection.execute(_METRICS, given):
        metrics[row.run_id].append(point(row))
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    params: dict[str, dict[str, str]] = defaultdict(dict)
    used: dict[str, list[str]] = defaultdict(list)
    made: dict[str, list[ModelOutput]] = defaultdict(list)
    for kind, run_id, key, value, step, _ in await connection.execute(_ENTRIES, given):
        if kind == _TAG:
            tags[run_id][key] = value
        elif kind == _PARAM:
            params[run_id][key] = value
        elif kind == _USED:
            used[run_id].append(key)
        else:
            made[run_id].append(ModelOutput(key, step))
    datasets: dict[str, list[DatasetInput]] = defaultdict(list)
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
