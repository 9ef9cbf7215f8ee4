"""What runs log, in SQL. Written out, and beneath the session: this is what clients wait for thousands of times."""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter

import orjson
from sqlalchemy import JSON, bindparam, text
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.tracking.domain import (
    DATASET_CONTEXT,
    DatasetInput,
    Metric,
    ModelOutput,
    Run,
    TagChange,
    latest,
)
from services.registry.tracking.records import point
from services.registry.tracking.store import number_of

_ADD_POINT = (
    "INSERT INTO metrics (run_id, key, step, timestamp_ms, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
"""As SQLite's driver takes it: the library would look at each value of each point."""
_UNLESS_LATER = (
    " ON CONFLICT (run_id, key) DO UPDATE SET step = excluded.step, timestamp_ms = excluded.timestamp_ms,"
    " value = excluded.value, is_nan = excluded.is_nan"
    " WHERE (excluded.step, excluded.timestamp_ms, excluded.value)"
    " > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)"
)
_ADD_LATEST = text(
    "INSERT INTO latest_metrics (run_id, key, experiment_id, step, timestamp_ms, value, is_nan)"  # noqa: S608
    f" VALUES (:run_id, :key, :experiment_id, :step, :timestamp_ms, :value, :is_nan) {_UNLESS_LATER}"
)
_ADD_POINTS = text(
    "WITH points AS (SELECT * FROM json_to_recordset(CAST(:points AS json))"  # noqa: S608
    " AS point (key text, step bigint, timestamp_ms bigint, value double precision, is_nan boolean)),"
    " added AS (INSERT INTO metrics (run_id, key, step, timestamp_ms, value, is_nan)"
    " SELECT :run_id, key, step, timestamp_ms, value, is_nan FROM points ON CONFLICT DO NOTHING)"
    " INSERT INTO latest_metrics (run_id, key, experiment_id, step, timestamp_ms, value, is_nan)"
    " SELECT DISTINCT ON (key) :run_id, key, CAST(:experiment_id AS integer), step, timestamp_ms, value, is_nan"
    f" FROM points ORDER BY key, step DESC, timestamp_ms DESC, value DESC {_UNLESS_LATER}"
)
"""PostgreSQL's way of both, for it takes a thousand points at once."""
_ADD_MODEL_POINT = text(
    "INSERT INTO model_metrics"
    " (model_id, run_id, key, step, timestamp_ms, value, is_nan, dataset_name, dataset_digest)"
    " VALUES (:model_id, :run_id, :key, :step, :timestamp_ms, :value, :is_nan, :dataset_name, :dataset_digest)"
    " ON CONFLICT DO NOTHING"
)
_ADD_PARAM = text(
    "INSERT INTO params (run_id, key, value) VALUES (:run_id, :key, :value) ON CONFLICT DO NOTHING"
).execution_options(preserve_rowcount=True)
_PARAMS = text("SELECT key, value FROM params WHERE run_id = :run_id AND key IN :keys").bindparams(
    bindparam("keys", expanding=True)
)
_TAGS = text("SELECT key, value FROM run_tags WHERE run_id = :run_id AND key IN :keys").bindparams(
    bindparam("keys", expanding=True)
)
_SET_TAG = text(
    "INSERT INTO run_tags (run_id, key, value) VALUES (:run_id, :key, :value)"
    " ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value"
)
_DROP_TAG = text("DELETE FROM run_tags WHERE run_id = :run_id AND key = :key")
_ADD_DATASET = text(
    "INSERT INTO datasets (experiment_id, name, digest, source_type, source, schema, profile)"
    " VALUES (:experiment_id, :name, :digest, :source_type, :source, :schema, :profile) ON CONFLICT DO NOTHING"
)
_USE_DATASET = (
    text(
        "INSERT INTO run_datasets (run_id, experiment_id, name, digest, place, context, tags)"
        " VALUES (:run_id, :experiment_id, :name, :digest,"
        " (SELECT count(*) FROM run_datasets WHERE run_id = CAST(:run_id AS VARCHAR(32))), :context, :tags)"
        " ON CONFLICT DO NOTHING"
    )
    .bindparams(bindparam("tags", type_=JSON))
    .execution_options(preserve_rowcount=True)
)
_ADD_MODEL = text(
    "INSERT INTO run_models (run_id, made, model_id, step, place) VALUES (:run_id, :made, :model_id, :step,"
    " (SELECT count(*) FROM run_models WHERE run_id = CAST(:run_id AS VARCHAR(32)))) ON CONFLICT DO NOTHING"
)
_HISTORY = text(
    "SELECT key, step, timestamp_ms, value, is_nan FROM metrics WHERE run_id = :run_id AND key = :key"
    " ORDER BY timestamp_ms, step, value, is_nan LIMIT :limit OFFSET :offset"
)
_SAMPLED = text(
    "SELECT key, step, timestamp_ms, value, is_nan FROM (SELECT key, step, timestamp_ms, value, is_nan,"
    " row_number() OVER (ORDER BY step, timestamp_ms, value, is_nan) - 1 AS place, count(*) OVER () - 1 AS final"
    " FROM metrics WHERE run_id = :run_id AND key = :key AND step BETWEEN :first AND :last) AS numbered"
    " WHERE final < :points OR place = final OR (:points > 1 AND (place = 0 OR"
    " place * (:points - 1) / nullif(final, 0) <> (place - 1) * (:points - 1) / nullif(final, 0)))"
    " ORDER BY place"
)
"""A point is taken where an even division of the whole comes to the next part."""
EVER = 2**63 - 1


class SqlLog:
    """What runs log, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_metrics(self, run: Run, metrics: Sequence[Metric]) -> None:
        """Add points; those already there are not added again."""
        connection = await self._session.connection()
        # In the order of their keys, so that no two writers wait for each other.
        ordered = sorted(metrics, key=itemgetter(0, 3, 2))
        points = [_columns(run.id, metric) for metric in ordered]
        of_experiment = {"experiment_id": number_of(run.experiment_id)}
        if connection.dialect.name == "postgresql":
            given = {"run_id": run.id, "points": orjson.dumps(points).decode(), **of_experiment}
            await connection.execute(_ADD_POINTS, given)
        else:
            await connection.exec_driver_sql(_ADD_POINT, [(*columns.values(),) for columns in points])
            newest = [_columns(run.id, metric) | of_experiment for metric in latest(ordered)]
            await connection.execute(_ADD_LATEST, newest)
        of_models = [
            {**columns, "model_id": metric.model_id, "dataset_name": metric.dataset_name}
            | {"dataset_digest": metric.dataset_digest}
            for columns, metric in zip(points, ordered, strict=True)
            if metric.model_id
        ]
        if of_models:
            await connection.execute(_ADD_MODEL_POINT, of_models)

    async def add_params(self, run_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Add parameters that are not there yet; tells those that keep another value."""
        connection = await self._session.connection()
        given = [{"run_id": run_id, "key": key, "value": params[key]} for key in sorted(params)]
        added = await connection.execute(_ADD_PARAM, given)
        if added.rowcount == len(given):
            return {}
        there = await connection.execute(_PARAMS, {"run_id": run_id, "keys": list(params)})
        return {key: value for key, value in there if value != params[key]}

    async def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        """Set tags, or remove them; tells what changed."""
        connection = await self._session.connection()
        rows = await connection.execute(_TAGS, {"run_id": run_id, "keys": list(tags)})
        before: dict[str, str] = dict(rows.all())
        changes = [TagChange(key, tags[key], before.get(key)) for key in sorted(tags) if tags[key] != before.get(key)]
        kept = [{"run_id": run_id, "key": one.key, "value": one.value} for one in changes if one.value is not None]
        gone = [{"run_id": run_id, "key": one.key} for one in changes if one.value is None]
        if kept:
            await connection.execute(_SET_TAG, kept)
        if gone:
            await connection.execute(_DROP_TAG, gone)
        return tuple(changes)

    async def add_datasets(self, run: Run, inputs: Sequence[DatasetInput]) -> tuple[DatasetInput, ...]:
        """Add datasets that the run used; tells which are new to it."""
        connection = await self._session.connection()
        new = []
        for one in inputs:
            key = {
                "experiment_id": number_of(run.experiment_id),
                "name": one.dataset.name,
                "digest": one.dataset.digest,
            }
            described = {
                "source_type": one.dataset.source_type,
                "source": one.dataset.source,
                "schema": one.dataset.schema,
                "profile": one.dataset.profile,
            }
            await connection.execute(_ADD_DATASET, {**key, **described})
            noted = {"context": one.tags.get(DATASET_CONTEXT), "tags": dict(one.tags)}
            used = await connection.execute(_USE_DATASET, {**key, **noted, "run_id": run.id})
            if used.rowcount:
                new.append(one)
        return tuple(new)

    async def add_models(self, run_id: str, *, used: Sequence[str] = (), made: Sequence[ModelOutput] = ()) -> None:
        """Add logged models that the run used or made."""
        rows = [{"run_id": run_id, "made": False, "model_id": model_id, "step": 0} for model_id in used]
        rows += [{"run_id": run_id, "made": True, "model_id": one.model_id, "step": one.step} for one in made]
        if rows:
            await (await self._session.connection()).execute(_ADD_MODEL, rows)


class SqlMetricHistory:
    """Every point of every metric, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, run_id: str, key: str, *, offset: int = 0, limit: int | None = None) -> list[Metric]:
        """List a metric's points by time, step and value."""
        given = {"run_id": run_id, "key": key, "limit": EVER if limit is None else limit, "offset": offset}
        return [point(row) for row in await (await self._session.connection()).execute(_HISTORY, given)]

    async def sampled(self, run_id: str, key: str, *, steps: tuple[int, int] | None, points: int) -> list[Metric]:
        """List at most so many of a metric's points between two steps, evenly, the first and the last among them."""
        first, last = steps or (-EVER, EVER)
        given = {"run_id": run_id, "key": key, "first": first, "last": last, "points": points}
        return [point(row) for row in await (await self._session.connection()).execute(_SAMPLED, given)]


def _columns(run_id: str, metric: Metric) -> dict[str, object]:
    is_nan = math.isnan(metric.value)
    return {
        "run_id": run_id,
        "key": metric.key,
        "step": metric.step,
        "timestamp_ms": metric.timestamp_ms,
        "value": 0.0 if is_nan else metric.value,
        "is_nan": is_nan,
    }
