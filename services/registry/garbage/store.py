"""What may be collected, in SQL, for SQLite and PostgreSQL."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, tuple_
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.domain import Alias, VersionState
from services.registry.garbage.domain import Garbage, Kind, Place
from services.registry.garbage.places import of_artifacts, of_bundle, of_training_run
from services.registry.garbage.rows import ErasureRow
from services.registry.logged_models.rows import LoggedModelParamRow, LoggedModelRow, LoggedModelTagRow
from services.registry.rows import AliasChangeRow, ModelRow, VersionRow
from services.registry.tracking.domain import DEFAULT_EXPERIMENT, RunStatus, Stage
from services.registry.tracking.rows import (
    DatasetRow,
    ExperimentRow,
    ExperimentTagRow,
    LatestMetricRow,
    MetricRow,
    ModelMetricRow,
    ParamRow,
    RunDatasetRow,
    RunModelRow,
    RunRow,
    RunTagRow,
)

OF_A_RUN = (ParamRow, RunTagRow, MetricRow, LatestMetricRow, ModelMetricRow, RunDatasetRow, RunModelRow)
OF_A_MODEL = (LoggedModelParamRow, LoggedModelTagRow, ModelMetricRow)
DELETED = Stage.DELETED.value
_THERE = col(VersionRow.deleted_at).is_(None)


class SqlHeap:
    """What was deleted, refused, or failed."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def runs(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List runs that were deleted before a time."""
        old = select(RunRow, ExperimentRow.pipeline).join(ExperimentRow, col(ExperimentRow.id) == RunRow.experiment_id)
        old = old.where(RunRow.stage == DELETED, col(RunRow.deleted_ms) < _ms(before), RunRow.id > after)
        held = old.order_by(col(RunRow.id)).limit(limit).with_for_update(of=RunRow, skip_locked=True)
        rows = (await self._session.exec(held)).all()
        needed = await self._needed(col(VersionRow.source_run_id), [row.id for row, _ in rows])
        return [
            Garbage(
                Kind.RUN,
                row.id,
                row.name,
                pipeline,
                _time(row.deleted_ms or 0),
                of_artifacts(row.artifact_uri),
                needed.get(row.id),
            )
            for row, pipeline in rows
        ]

    async def logged_models(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List logged models that were deleted, or their experiment was, before a time."""
        old = select(LoggedModelRow, ExperimentRow).join(
            ExperimentRow, col(ExperimentRow.id) == LoggedModelRow.experiment_id
        )
        alone = and_(col(LoggedModelRow.stage) == DELETED, col(LoggedModelRow.updated_ms) < _ms(before))
        old = old.where(or_(alone, _old(before)), LoggedModelRow.id > after)
        held = old.order_by(col(LoggedModelRow.id)).limit(limit).with_for_update(of=LoggedModelRow, skip_locked=True)
        rows = (await self._session.exec(held)).all()
        needed = await self._needed(col(VersionRow.model_id), [row.id for row, _ in rows])
        return [
            Garbage(
                Kind.LOGGED_MODEL,
                row.id,
                row.name,
                experiment.pipeline,
                _time(row.updated_ms if row.stage == DELETED else experiment.updated_ms),
                of_artifacts(row.artifact_uri),
                needed.get(row.id),
            )
            for row, experiment in rows
        ]

    async def experiments(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List experiments that were deleted before a time. The one that is there from the start stays."""
        old = select(ExperimentRow).where(_old(before), col(ExperimentRow.id) > int(after or DEFAULT_EXPERIMENT))
        held = old.order_by(col(ExperimentRow.id)).limit(limit).with_for_update(skip_locked=True)
        return [
            Garbage(
                Kind.EXPERIMENT,
                str(row.id),
                row.name,
                row.pipeline,
                _time(row.updated_ms),
                needed_by=await self._in_use(row.id or 0, before),
            )
            for row in await self._session.exec(held)
        ]

    async def versions(
        self, deleted_before: datetime, refused_before: datetime | None, *, after: str, limit: int
    ) -> list[Garbage]:
        """List versions that have their files yet and were deleted, or refused and never champion."""
        may_go: ColumnElement[bool] = col(VersionRow.deleted_at) < deleted_before
        if refused_before:
            was_champion = exists().where(
                col(AliasChangeRow.pipeline) == VersionRow.pipeline,
                col(AliasChangeRow.number) == VersionRow.number,
                col(AliasChangeRow.alias) == Alias.CHAMPION.value,
            )
            refused = and_(
                col(VersionRow.state) == VersionState.REJECTED.value,
                col(VersionRow.decided_at) < refused_before,
                ~was_champion,
            )
            may_go = or_(may_go, refused)
        pipeline, _, number = after.rpartition("/")
        old = (
            select(VersionRow, ModelRow.name)
            .join(ModelRow, col(ModelRow.pipeline) == VersionRow.pipeline)
            .where(
                may_go,
                col(VersionRow.bundle_uri).is_not(None),
                col(VersionRow.collected_at).is_(None),
                tuple_(col(VersionRow.pipeline), col(VersionRow.number)) > tuple_(pipeline, int(number or 0)),
            )
            .order_by(col(VersionRow.pipeline), col(VersionRow.number))
        )
        held = old.limit(limit).with_for_update(of=VersionRow, skip_locked=True)
        return [
            Garbage(
                Kind.VERSION,
                f"{row.pipeline}/{row.number}",
                f"{name} {row.number}",
                row.pipeline,
                row.deleted_at or row.decided_at or row.updated_at,
                await self._files_of(row),
            )
            for row, name in await self._session.exec(held)
        ]

    async def failed(self, run_ids: Sequence[UUID], before: datetime) -> list[Garbage]:
        """List those training runs that failed or were stopped before a time, and became no version."""
        names = {run_id.hex: run_id for run_id in run_ids}
        ended = select(RunRow, ExperimentRow.pipeline).join(
            ExperimentRow, col(ExperimentRow.id) == RunRow.experiment_id
        )
        became = exists().where(col(VersionRow.source_run_id) == RunRow.id)
        rows = await self._session.exec(
            ended.where(
                col(RunRow.id).in_(names),
                col(RunRow.status).in_([RunStatus.FAILED.value, RunStatus.KILLED.value]),
                col(RunRow.ended_ms) < _ms(before),
                ~became,
            )
        )
        return [
            Garbage(
                Kind.FAILED_RUN,
                str(names[row.id]),
                row.name,
                pipeline,
                _time(row.ended_ms or 0),
                of_training_run(names[row.id]),
            )
            for row, pipeline in rows
        ]

    async def drop_runs(self, run_ids: Sequence[str]) -> list[Place]:
        """Forget runs and all that they logged, and the data that no other run used; tells where their files are."""
        runs = (await self._session.exec(select(RunRow).where(col(RunRow.id).in_(run_ids)))).all()
        for table in OF_A_RUN:
            await self._session.exec(delete(table).where(col(table.run_id).in_(run_ids)))
        await self._session.exec(delete(RunRow).where(col(RunRow.id).in_(run_ids)))
        used = exists().where(
            col(RunDatasetRow.experiment_id) == DatasetRow.experiment_id,
            col(RunDatasetRow.name) == DatasetRow.name,
            col(RunDatasetRow.digest) == DatasetRow.digest,
        )
        theirs = col(DatasetRow.experiment_id).in_({run.experiment_id for run in runs})
        await self._session.exec(delete(DatasetRow).where(theirs, ~used))
        return _places(run.artifact_uri for run in runs)

    async def drop_logged_models(self, model_ids: Sequence[str]) -> list[Place]:
        """Forget logged models and all that was measured on them; tells where their files are."""
        models = (await self._session.exec(select(LoggedModelRow).where(col(LoggedModelRow.id).in_(model_ids)))).all()
        for table in OF_A_MODEL:
            await self._session.exec(delete(table).where(col(table.model_id).in_(model_ids)))
        await self._session.exec(delete(LoggedModelRow).where(col(LoggedModelRow.id).in_(model_ids)))
        return _places(model.artifact_uri for model in models)

    async def drop_experiment(self, experiment_id: str) -> bool:
        """Forget an experiment but for its number; False if there are runs or models of it yet."""
        number = int(experiment_id)
        for table in (RunRow, LoggedModelRow):
            of_it = select(table.id).where(table.experiment_id == number).limit(1)
            if (await self._session.exec(of_it)).first():
                return False
        for owned in (ExperimentTagRow, DatasetRow):
            await self._session.exec(delete(owned).where(col(owned.experiment_id) == number))
        await self._session.exec(delete(ExperimentRow).where(col(ExperimentRow.id) == number))
        return True

    async def close_version(self, pipeline: PipelineName, number: int, at: datetime) -> Place | None:
        """Write down that a version's files are gone; tells where they are."""
        row = await self._session.get_one(VersionRow, (pipeline, number), populate_existing=True)
        row.collected_at = at
        self._session.add(row)
        await self._session.flush()
        return await self._files_of(row)

    async def has_bundle(self, place: Place) -> bool:
        """Tell whether a place is the bundle of a version that was not collected."""
        its = select(VersionRow.number).where(
            col(VersionRow.bundle_uri).endswith(f"/{place.path}", autoescape=True),
            col(VersionRow.collected_at).is_(None),
        )
        return (await self._session.exec(its.limit(1))).first() is not None

    async def _files_of(self, version: VersionRow) -> Place | None:
        """Find the files that no other version has, too: what was logged twice is one bundle."""
        others = select(VersionRow.number).where(
            VersionRow.bundle_uri == version.bundle_uri,
            col(VersionRow.collected_at).is_(None),
            tuple_(col(VersionRow.pipeline), col(VersionRow.number)) != tuple_(version.pipeline, version.number),
        )
        if (await self._session.exec(others.limit(1))).first():
            return None
        return of_bundle(version.bundle_uri or "", version.run_id)

    async def _needed(self, by: Mapped[str | None], ids: Sequence[str]) -> dict[str | None, str]:
        named = select(by, ModelRow.name, VersionRow.number).join(
            ModelRow, col(ModelRow.pipeline) == VersionRow.pipeline
        )
        found = await self._session.exec(named.where(by.in_(ids), _THERE))
        return {id_: f"{name} {number}" for id_, name, number in found}

    async def _in_use(self, experiment: int, before: datetime) -> str | None:
        runs = select(RunRow.id).where(RunRow.experiment_id == experiment)
        models = select(LoggedModelRow.id).where(LoggedModelRow.experiment_id == experiment)
        stays = or_(col(RunRow.stage) != DELETED, col(RunRow.deleted_ms) >= _ms(before))
        if later := (await self._session.exec(runs.where(stays).limit(1))).first():
            return f"its run {later}, which was restored or deleted later"
        of_it = or_(col(VersionRow.source_run_id).in_(runs), col(VersionRow.model_id).in_(models))
        named = select(ModelRow.name, VersionRow.number).join(ModelRow, col(ModelRow.pipeline) == VersionRow.pipeline)
        found = (await self._session.exec(named.where(of_it, _THERE).limit(1))).first()
        return f"{found[0]} {found[1]}" if found else None


class SqlErasures:
    """Places whose files are to be erased, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, place: Place) -> None:
        """Have the files of a place erased; again changes nothing."""
        if await self._session.get(ErasureRow, place.path) is None:
            self._session.add(ErasureRow(path=place.path, keep_record=place.keep_record))
            await self._session.flush()

    async def first(self, limit: int) -> list[Place]:
        """List some that wait."""
        rows = await self._session.exec(select(ErasureRow).order_by(col(ErasureRow.path)).limit(limit))
        return [Place(row.path, row.keep_record) for row in rows]

    async def waiting(self, paths: Collection[str]) -> set[str]:
        """Tell which of these paths wait."""
        return {*(await self._session.exec(select(ErasureRow.path).where(col(ErasureRow.path).in_(paths))))}

    async def count(self) -> int:
        """Count those that wait."""
        return (await self._session.exec(select(func.count()).select_from(ErasureRow))).one()

    async def close(self, place: Place) -> None:
        """Say that its files are gone."""
        await self._session.exec(delete(ErasureRow).where(col(ErasureRow.path) == place.path))


def _places(artifact_uris: Iterable[str]) -> list[Place]:
    return [place for uri in artifact_uris if (place := of_artifacts(uri))]


def _old(before: datetime) -> ColumnElement[bool]:
    return and_(col(ExperimentRow.stage) == DELETED, col(ExperimentRow.updated_ms) < _ms(before))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
