"""The registry's ports in SQL, for SQLite and PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import asc, col, desc, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.domain import AliasChange, Inspection, Model, ModelVersion
from services.registry.rows import AliasChangeRow, InspectionRow, ModelRow, VersionRow


class SqlModels:
    """The models in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, model: Model) -> None:
        """Make a model known, or change its definition."""
        definition = model.definition.model_dump(mode="json")
        row = await self._session.get(ModelRow, model.pipeline)
        if row is None:
            row = ModelRow(pipeline=model.pipeline, definition=definition, registered_at=model.registered_at)
        row.definition, row.registered_at = definition, model.registered_at
        self._session.add(row)
        await self._session.flush()

    async def all(self) -> list[Model]:
        """List the models by name."""
        rows = await self._session.exec(select(ModelRow).order_by(asc(ModelRow.pipeline)))
        return [row.to_domain() for row in rows]

    async def get(self, pipeline: str) -> Model | None:
        """Find a model."""
        row = await self._session.get(ModelRow, pipeline)
        return row.to_domain() if row else None

    async def hold(self, pipeline: str) -> Model | None:
        """Find a model and let nobody else decide about it before this transaction ends."""
        # An update takes the row's lock in PostgreSQL and the writer's lock in SQLite, before anything is read.
        taken = update(ModelRow).where(col(ModelRow.pipeline) == pipeline).values(turn=ModelRow.turn + 1)
        await self._session.exec(taken)
        row = await self._session.get(ModelRow, pipeline, populate_existing=True)
        return row.to_domain() if row else None

    async def next_number(self, pipeline: str) -> int:
        """Take the next version number of a known model."""
        taken = (
            update(ModelRow)
            .where(col(ModelRow.pipeline) == pipeline)
            .values(last_number=ModelRow.last_number + 1)
            .returning(col(ModelRow.last_number))
        )
        return int((await self._session.exec(taken)).scalar_one())


class SqlVersions:
    """The versions in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, version: ModelVersion) -> None:
        """Keep a new version."""
        row = VersionRow(
            pipeline=version.pipeline,
            number=version.number,
            run_id=version.run_id,
            bundle_uri=version.bundle_uri,
            bundle_digest=version.bundle_digest,
            manifest=version.manifest.model_dump(mode="json"),
            report=version.report.model_dump(mode="json"),
            card=version.card,
            verdicts=[verdict.model_dump(mode="json") for verdict in version.verdicts],
            registered_at=version.registered_at,
            state=version.state.value,
        )
        row.decide(version)
        self._session.add(row)
        await self._session.flush()

    async def put(self, version: ModelVersion) -> None:
        """Keep a version's new state and decision."""
        row = await self._session.get_one(VersionRow, (version.pipeline, version.number))
        row.decide(version)
        self._session.add(row)
        await self._session.flush()

    async def get(self, pipeline: str, number: int) -> ModelVersion | None:
        """Find a version."""
        row = await self._session.get(VersionRow, (pipeline, number))
        return row.to_domain() if row else None

    async def of_run(self, run_id: UUID) -> ModelVersion | None:
        """Find the version that a run became."""
        row = (await self._session.exec(select(VersionRow).where(VersionRow.run_id == run_id))).first()
        return row.to_domain() if row else None

    async def of_model(self, pipeline: str) -> list[ModelVersion]:
        """List a model's versions, newest first."""
        newest = select(VersionRow).where(VersionRow.pipeline == pipeline).order_by(desc(VersionRow.number))
        return [row.to_domain() for row in await self._session.exec(newest)]


class SqlAliasHistory:
    """The history of the aliases in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def extend(self, pipeline: str, changes: tuple[AliasChange, ...]) -> None:
        """Write changes down after those already there."""
        places = await self._session.exec(select(AliasChangeRow.place).where(AliasChangeRow.pipeline == pipeline))
        first = max(places, default=0) + 1
        for place, change in enumerate(changes, start=first):
            row = AliasChangeRow(
                pipeline=pipeline,
                place=place,
                alias=change.alias.value,
                number=change.number,
                changed_by=change.decision.by,
                reason=change.decision.reason,
                changed_at=change.decision.at,
            )
            self._session.add(row)
        await self._session.flush()

    async def of_model(self, pipeline: str) -> list[AliasChange]:
        """List a model's changes, oldest first."""
        oldest = select(AliasChangeRow).where(AliasChangeRow.pipeline == pipeline).order_by(asc(AliasChangeRow.place))
        return [row.to_domain() for row in await self._session.exec(oldest)]


class SqlInspections:
    """The inspections in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, inspection: Inspection) -> None:
        """Let a message wait; one whose key was ever seen is ignored."""
        if await self._session.get(InspectionRow, inspection.key):
            return
        cause = inspection.cause
        row = InspectionRow(
            key=inspection.key,
            type=inspection.message.subject,
            message=inspection.message.model_dump(mode="json"),
            message_id=cause.message_id,
            correlation_id=cause.correlation_id,
            said_at=cause.said_at,
            received_at=cause.received_at,
            traceparent=cause.traceparent,
            due_at=inspection.due_at,
            attempts=inspection.attempts,
        )
        self._session.add(row)
        await self._session.flush()

    async def due(self, now: datetime, *, limit: int) -> list[Inspection]:
        """List those to be tried now, in the order of their due time."""
        waiting = select(InspectionRow).where(col(InspectionRow.outcome).is_(None), InspectionRow.due_at <= now)
        rows = await self._session.exec(waiting.order_by(asc(InspectionRow.due_at)).limit(limit))
        return [row.to_domain() for row in rows]

    async def postpone(self, key: str, until: datetime) -> None:
        """Count a failed attempt and try again later."""
        later = update(InspectionRow).where(col(InspectionRow.key) == key)
        await self._session.exec(later.values(due_at=until, attempts=InspectionRow.attempts + 1))

    async def close(self, key: str, outcome: str) -> bool:
        """End an inspection for good; False if someone else already did."""
        open_ = update(InspectionRow).where(col(InspectionRow.key) == key, col(InspectionRow.outcome).is_(None))
        closed = await self._session.exec(open_.values(outcome=outcome))
        return bool(closed.rowcount)
