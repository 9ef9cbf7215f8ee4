"""The registry's ports in SQL, for SQLite and PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import case, update
from sqlmodel import asc, col, desc, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.domain import Alias, AliasChange, Inspection, Model, ModelVersion, VersionState
from services.registry.models.aliases import point
from services.registry.models.labels import STATE, labels
from services.registry.models.rows import VersionTagRow
from services.registry.rows import AliasChangeRow, InspectionRow, ModelRow, VersionRow

LARGEST = 2**31 - 1
"""Number that a column holds."""


class SqlModels:
    """The models in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, model: Model) -> None:
        """Make a model known, or change its definition; what people wrote about it stays."""
        row = await self._session.get(ModelRow, model.pipeline)
        if row is None:
            row = ModelRow(
                pipeline=model.pipeline,
                name=model.pipeline,
                registered_at=model.registered_at,
                updated_at=model.registered_at,
            )
        if (row.description or "") == row.definition.get("description", ""):
            row.description = model.definition.description or None
        row.name, row.is_pipeline, row.deleted_at = model.pipeline, True, None
        row.definition = model.definition.model_dump(mode="json")
        row.registered_at = row.updated_at = model.registered_at
        self._session.add(row)
        await self._session.flush()

    async def all(self) -> list[Model]:
        """List the models by name."""
        pipelines = select(ModelRow).where(col(ModelRow.is_pipeline)).order_by(asc(ModelRow.pipeline))
        rows = await self._session.exec(pipelines)
        return [row.to_domain() for row in rows]

    async def get(self, pipeline: str) -> Model | None:
        """Find a model."""
        row = await self._session.get(ModelRow, pipeline)
        return row.to_domain() if row and row.is_pipeline else None

    async def hold(self, pipeline: str) -> Model | None:
        """Find a model and let nobody else decide about it before this transaction ends."""
        # An update takes the row's lock in PostgreSQL and the writer's lock in SQLite, before anything is read.
        taken = update(ModelRow).where(col(ModelRow.pipeline) == pipeline).values(turn=ModelRow.turn + 1)
        await self._session.exec(taken)
        row = await self._session.get(ModelRow, pipeline, populate_existing=True)
        return row.to_domain() if row and row.is_pipeline else None

    async def next_number(self, pipeline: str, *, at_least: int = 1) -> int:
        """Take the next version number of a known model, or a later one."""
        after = case((col(ModelRow.last_number) < at_least - 1, at_least - 1), else_=ModelRow.last_number)
        taken = (
            update(ModelRow)
            .where(col(ModelRow.pipeline) == pipeline)
            .values(last_number=after + 1)
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
            source=version.bundle_uri,
            location=version.bundle_uri,
            source_run_id=version.run_id.hex,
            registered_at=version.registered_at,
            updated_at=version.registered_at,
            state=version.state.value,
            approvals_needed=version.approvals_needed,
            expires_at=version.expires_at,
        )
        row.decide(version)
        self._session.add(row)
        for key, value in labels(version).items():
            self._session.add(VersionTagRow(pipeline=version.pipeline, number=version.number, key=key, value=value))
        await self._session.flush()

    async def put(self, version: ModelVersion) -> None:
        """Keep a version's new state, decision and approvals."""
        row = await self._session.get_one(VersionRow, (version.pipeline, version.number))
        row.decide(version)
        self._session.add(row)
        tag = await self._session.get_one(VersionTagRow, (version.pipeline, version.number, STATE))
        tag.value = version.state.value
        self._session.add(tag)
        await self._session.flush()

    async def get(self, pipeline: str, number: int) -> ModelVersion | None:
        """Find a version."""
        # A larger one fits no column, and is no version's.
        row = await self._session.get(VersionRow, (pipeline, number)) if number <= LARGEST else None
        return row.to_domain() if row and row.run_id and not row.deleted_at else None

    async def of_run(self, run_id: UUID) -> ModelVersion | None:
        """Find the version that a run became."""
        row = (await self._session.exec(select(VersionRow).where(VersionRow.run_id == run_id))).first()
        return row.to_domain() if row else None

    async def of_model(self, pipeline: str) -> list[ModelVersion]:
        """List a model's versions, newest first."""
        bundles = select(VersionRow).where(
            VersionRow.pipeline == pipeline,
            col(VersionRow.run_id).is_not(None),
            col(VersionRow.deleted_at).is_(None),
        )
        newest = bundles.order_by(desc(VersionRow.number))
        return [row.to_domain() for row in await self._session.exec(newest)]

    async def overdue(self, at: datetime) -> list[ModelVersion]:
        """List the versions that wait for approval for longer than they may."""
        waiting = select(VersionRow).where(
            VersionRow.state == VersionState.AWAITING_APPROVAL.value,
            col(VersionRow.expires_at) <= at,
            col(VersionRow.deleted_at).is_(None),
        )
        return [row.to_domain() for row in await self._session.exec(waiting)]


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
            await point(self._session, pipeline, change.alias.value, change.number)
        await self._session.flush()

    async def of_model(self, pipeline: str) -> list[AliasChange]:
        """List a model's changes, oldest first."""
        own = select(AliasChangeRow).where(
            AliasChangeRow.pipeline == pipeline, col(AliasChangeRow.alias).in_([alias.value for alias in Alias])
        )
        oldest = own.order_by(asc(AliasChangeRow.place))
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

    async def find(self, key: str) -> Inspection | None:
        """Find an inspection, closed or not."""
        row = await self._session.get(InspectionRow, key)
        return row.to_domain() if row else None

    async def due(self, now: datetime, *, limit: int) -> list[Inspection]:
        """List those to be tried now, in the order of their due time."""
        waiting = select(InspectionRow).where(col(InspectionRow.outcome).is_(None), InspectionRow.due_at <= now)
        rows = await self._session.exec(waiting.order_by(asc(InspectionRow.due_at)).limit(limit))
        return [row.to_domain() for row in rows]

    async def postpone(self, key: str, until: datetime) -> None:
        """Count a failed attempt and try again later."""
        later = update(InspectionRow).where(col(InspectionRow.key) == key)
        await self._session.exec(later.values(due_at=until, attempts=InspectionRow.attempts + 1))

    async def outcome(self, key: str) -> str | None:
        """Find how an inspection ended; None while it has not."""
        return (await self._session.exec(select(InspectionRow.outcome).where(InspectionRow.key == key))).first()

    async def close(self, key: str, outcome: str) -> bool:
        """End an inspection for good; False if someone else already did."""
        open_ = update(InspectionRow).where(col(InspectionRow.key) == key, col(InspectionRow.outcome).is_(None))
        closed = await self._session.exec(open_.values(outcome=outcome))
        return bool(closed.rowcount)
