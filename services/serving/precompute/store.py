"""Plans and precomputations in SQL: a column for what is asked about, a document for the rest."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, asc, col, desc, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.chassis.database import JsonDocument, UtcDateTime
from services.serving.precompute.domain import OPEN, Plan, Precomputation, State
from services.serving.store import ServingRow


class PlanRow(ServingRow, table=True):
    """What a pipeline wants precomputed."""

    __tablename__ = "precompute_plans"

    pipeline: str = Field(primary_key=True)
    document: dict[str, Any] = Field(sa_type=JsonDocument)


class PrecomputationRow(ServingRow, table=True):
    """One batch prediction."""

    __tablename__ = "precomputations"

    id: UUID = Field(primary_key=True)
    pipeline: str = Field(index=True)
    version: int
    state: str = Field(index=True)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    document: dict[str, Any] = Field(sa_type=JsonDocument)

    def to_domain(self) -> Precomputation:
        """Read the row."""
        return Precomputation.model_validate(self.document)


class SqlPlans:
    """Plans in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, pipeline: str) -> Plan | None:
        """Find a pipeline's plan."""
        row = await self._session.get(PlanRow, pipeline, populate_existing=True)
        return Plan.model_validate(row.document) if row else None

    async def hold(self, pipeline: str) -> Plan:
        """Get a plan, an empty one if there is none, and let nobody else change it before this transaction ends."""
        # SQLite has one writer anyway and ignores the lock.
        row = await self._session.get(PlanRow, pipeline, with_for_update=True, populate_existing=True)
        return Plan.model_validate(row.document) if row else Plan(pipeline=pipeline)

    async def all(self) -> Sequence[Plan]:
        """List all, by name."""
        rows = await self._session.exec(select(PlanRow).order_by(asc(PlanRow.pipeline)))
        return [Plan.model_validate(row.document) for row in rows]

    async def save(self, plan: Plan) -> None:
        """Add it or replace what was known."""
        await self._session.merge(PlanRow(pipeline=plan.pipeline, document=plan.model_dump(mode="json")))
        await self._session.flush()


class SqlPrecomputations:
    """Precomputations in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, precomputation_id: UUID) -> Precomputation | None:
        """Find one."""
        row = await self._session.get(PrecomputationRow, precomputation_id, populate_existing=True)
        return row.to_domain() if row else None

    async def hold(self, precomputation_id: UUID) -> Precomputation | None:
        """Find one and let nobody else decide about it before this transaction ends."""
        row = await self._session.get(
            PrecomputationRow, precomputation_id, with_for_update=True, populate_existing=True
        )
        return row.to_domain() if row else None

    async def save(self, one: Precomputation) -> None:
        """Add it or replace what was known."""
        row = PrecomputationRow(
            id=one.id,
            pipeline=one.pipeline,
            version=one.version,
            state=one.state.value,
            requested_at=one.requested_at,
            document=one.model_dump(mode="json"),
        )
        await self._session.merge(row)
        await self._session.flush()

    async def open(self, pipeline: str | None = None) -> Sequence[Precomputation]:
        """List those of one model or of all that are not over, oldest first."""
        return await self._in(OPEN, pipeline)

    async def over(self, pipeline: str) -> Sequence[Precomputation]:
        """List those of one model that are over and may have left files, oldest first."""
        return await self._in(frozenset(State) - OPEN - {State.DELETED}, pipeline)

    async def newest_completed(self, pipeline: str, version: int) -> Precomputation | None:
        """Find the one whose scores are looked up while a version answers."""
        completed = select(PrecomputationRow).where(
            PrecomputationRow.pipeline == pipeline,
            PrecomputationRow.version == version,
            PrecomputationRow.state == State.COMPLETED.value,
        )
        newest = completed.order_by(desc(PrecomputationRow.requested_at), desc(PrecomputationRow.id)).limit(1)
        row = (await self._session.exec(newest)).first()
        return row.to_domain() if row else None

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Precomputation]:
        """List the newest of one model or of all, newest first."""
        order = desc(PrecomputationRow.requested_at), desc(PrecomputationRow.id)
        newest = select(PrecomputationRow).order_by(*order).limit(limit)
        if pipeline:
            newest = newest.where(PrecomputationRow.pipeline == pipeline)
        return [row.to_domain() for row in await self._session.exec(newest)]

    async def _in(self, states: Collection[State], pipeline: str | None) -> list[Precomputation]:
        found = select(PrecomputationRow).where(col(PrecomputationRow.state).in_([state.value for state in states]))
        if pipeline:
            found = found.where(PrecomputationRow.pipeline == pipeline)
        order = asc(PrecomputationRow.requested_at), asc(PrecomputationRow.id)
        return [row.to_domain() for row in await self._session.exec(found.order_by(*order))]
