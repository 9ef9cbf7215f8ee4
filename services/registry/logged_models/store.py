"""Logged models in SQL, for SQLite and PostgreSQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import nan

from sqlalchemy import delete, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.logged_models.domain import LoggedModel, MeasuredMetric, ModelRecord
from services.registry.logged_models.rows import LoggedModelParamRow, LoggedModelRow, LoggedModelTagRow
from services.registry.tracking.domain import Metric, TagChange
from services.registry.tracking.rows import ExperimentRow, ModelMetricRow

Pairs = type[LoggedModelParamRow] | type[LoggedModelTagRow]


class SqlLoggedModels:
    """The logged models in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, model: LoggedModel, *, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Keep a new model."""
        values = {
            "id": model.id,
            "experiment_id": int(model.experiment_id),
            "name": model.name,
            "artifact_uri": model.artifact_uri,
            "created_ms": model.created_ms,
            "updated_ms": model.updated_ms,
            "model_type": model.model_type,
            "source_run_id": model.source_run_id,
            "status": model.status.value,
            "stage": model.stage.value,
        }
        await self._session.exec(insert(LoggedModelRow).values(values))
        await self._insert(LoggedModelParamRow, model.id, params)
        await self._insert(LoggedModelTagRow, model.id, tags)

    async def get(self, model_id: str) -> LoggedModel | None:
        """Find a model."""
        wanted = select(LoggedModelRow, ExperimentRow.pipeline).join(
            ExperimentRow, col(ExperimentRow.id) == col(LoggedModelRow.experiment_id)
        )
        found = (await self._session.exec(wanted.where(LoggedModelRow.id == model_id))).first()
        return found[0].to_domain(found[1]) if found else None

    async def hold(self, model_id: str) -> LoggedModel | None:
        """Find a model that nobody else may change before this transaction ends."""
        held = select(LoggedModelRow.id).where(LoggedModelRow.id == model_id).with_for_update()
        return await self.get(model_id) if (await self._session.exec(held)).first() else None

    async def put(self, model: LoggedModel) -> None:
        """Keep a model's status and stage."""
        this = update(LoggedModelRow).where(col(LoggedModelRow.id) == model.id)
        await self._session.exec(
            this.values(status=model.status.value, stage=model.stage.value, updated_ms=model.updated_ms)
        )

    async def add_params(self, model_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Add parameters that are not there yet; tells those that were, with the values they keep."""
        known = await self._pairs(LoggedModelParamRow, model_id, params)
        await self._insert(LoggedModelParamRow, model_id, {key: params[key] for key in params if key not in known})
        return known

    async def tag(self, model_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        """Set tags, or remove them; tells what changed."""
        known = await self._pairs(LoggedModelTagRow, model_id, tags)
        changed = {key: value for key, value in tags.items() if value != known.get(key)}
        old = [key for key in changed if key in known]
        this = delete(LoggedModelTagRow).where(col(LoggedModelTagRow.model_id) == model_id)
        await self._session.exec(this.where(col(LoggedModelTagRow.key).in_(old)))
        new = {key: value for key, value in changed.items() if value is not None}
        await self._insert(LoggedModelTagRow, model_id, new)
        return tuple(TagChange(key, value, known.get(key)) for key, value in changed.items())

    async def records(self, model_ids: Sequence[str]) -> dict[str, ModelRecord]:
        """Read what is known about models."""
        params, tags = [await self._all(table, model_ids) for table in (LoggedModelParamRow, LoggedModelTagRow)]
        metrics = defaultdict[str, list[MeasuredMetric]](list)
        order = (ModelMetricRow.key, ModelMetricRow.step, ModelMetricRow.timestamp_ms, ModelMetricRow.run_id)
        measured = select(ModelMetricRow).where(col(ModelMetricRow.model_id).in_(model_ids)).order_by(*map(col, order))
        for row in await self._session.exec(measured):
            metrics[row.model_id].append(MeasuredMetric(_metric(row), row.run_id))
        return {id_: ModelRecord(params[id_], tags[id_], tuple(metrics[id_])) for id_ in model_ids}

    async def _insert(self, table: Pairs, model_id: str, pairs: Mapping[str, str]) -> None:
        rows = [{"model_id": model_id, "key": key, "value": value} for key, value in pairs.items()]
        if rows:
            await self._session.exec(insert(table).values(rows))

    async def _pairs(self, table: Pairs, model_id: str, keys: Mapping[str, object]) -> dict[str, str]:
        known = select(table.key, table.value).where(table.model_id == model_id, col(table.key).in_(keys))
        return dict((await self._session.exec(known)).all())

    async def _all(self, table: Pairs, model_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {model_id: {} for model_id in model_ids}
        rows = select(table.model_id, table.key, table.value).where(col(table.model_id).in_(model_ids))
        for model_id, key, value in await self._session.exec(rows.order_by(col(table.key))):
            found[model_id][key] = value
        return found


def _metric(row: ModelMetricRow) -> Metric:
    return Metric(
        key=row.key,
        value=nan if row.is_nan else row.value,
        timestamp_ms=row.timestamp_ms,
        step=row.step,
        model_id=row.model_id,
        dataset_name=row.dataset_name,
        dataset_digest=row.dataset_digest,
    )
