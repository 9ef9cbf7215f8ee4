"""Deployments and rollouts in SQL, for SQLite and PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import JSON, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, asc, col, desc, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.registry import PromotionKind
from contracts.rollout import Rollout as Plan
from services.chassis.database import UtcDateTime
from services.chassis.subscriptions import Cause
from services.serving.domain import OPEN, Deployment, Rollout, RolloutState
from services.serving.evidence import Evidence

EVIDENCE = TypeAdapter(Evidence)


class ServingRow(SQLModel, registry=registry()):
    """Rows of serving."""


class DeploymentRow(ServingRow, table=True):
    """A model that is, or will be, reachable."""

    __tablename__ = "deployments"

    pipeline: str = Field(primary_key=True)
    replicas: int
    max_golden_difference: float
    timeout_s: float
    registered_at: datetime = Field(sa_type=UtcDateTime)
    answering: UUID | None = None
    previous: UUID | None = None
    plan: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    diverged_since: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @classmethod
    def of(cls, deployment: Deployment) -> "DeploymentRow":
        """Write a deployment as a row."""
        return cls(**{**asdict(deployment), "plan": deployment.plan.model_dump(mode="json")})

    def to_domain(self) -> Deployment:
        """Read the row."""
        return Deployment(**{**self.model_dump(), "plan": Plan.model_validate(self.plan or {})})


class RolloutRow(ServingRow, table=True):
    """One version's way to the traffic."""

    __tablename__ = "rollouts"

    id: UUID = Field(primary_key=True)
    pipeline: str = Field(index=True)
    version: int
    bundle_uri: str = Field(sa_type=Text)
    bundle_digest: str
    kind: str
    promoted_by: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    cause: dict[str, Any] = Field(sa_type=JSON)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(index=True)
    previous_version: int | None = None
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replicas: int = 0
    detail: str = Field(default="", sa_type=Text)
    plan: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    paused: bool = False
    hastened: bool = False
    evidence: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    flipping_since: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @classmethod
    def of(cls, rollout: Rollout) -> "RolloutRow":
        """Write a rollout as a row."""
        said, received = rollout.cause.said_at.isoformat(), rollout.cause.received_at.isoformat()
        known = {
            "kind": rollout.kind.value,
            "state": rollout.state.value,
            "cause": {**asdict(rollout.cause), "said_at": said, "received_at": received},
            "plan": rollout.plan.model_dump(mode="json"),
            "evidence": EVIDENCE.dump_python(rollout.evidence, mode="json"),
        }
        return cls(**{**asdict(rollout), **known})

    def to_domain(self) -> Rollout:
        """Read the row."""
        times = {name: datetime.fromisoformat(self.cause[name]) for name in ("said_at", "received_at")}
        known = {
            "kind": PromotionKind(self.kind),
            "state": RolloutState(self.state),
            "cause": Cause(**{**self.cause, **times}),
            "plan": Plan.model_validate(self.plan or {}),
            "evidence": EVIDENCE.validate_python(self.evidence or {}),
        }
        return Rollout(**{**self.model_dump(), **known})


class SqlDeployments:
    """Deployments in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, pipeline: str) -> Deployment | None:
        """Find one by its pipeline."""
        row = await self._session.get(DeploymentRow, pipeline)
        return row.to_domain() if row else None

    async def hold(self, pipeline: str) -> Deployment | None:
        """Find one and let nobody else decide about it before this transaction ends."""
        # SQLite has one writer anyway and ignores the lock.
        row = await self._session.get(DeploymentRow, pipeline, with_for_update=True, populate_existing=True)
        return row.to_domain() if row else None

    async def all(self) -> Sequence[Deployment]:
        """List all, by name."""
        rows = await self._session.exec(select(DeploymentRow).order_by(asc(DeploymentRow.pipeline)))
        return [row.to_domain() for row in rows]

    async def save(self, deployment: Deployment) -> None:
        """Add it or replace what was known."""
        await self._session.merge(DeploymentRow.of(deployment))
        await self._session.flush()

    async def remove(self, pipeline: str) -> None:
        """Forget it, so that its replicas end."""
        if row := await self._session.get(DeploymentRow, pipeline):
            await self._session.delete(row)
            await self._session.flush()


class SqlRollouts:
    """Rollouts in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, rollout_id: UUID) -> Rollout | None:
        """Find one."""
        row = await self._session.get(RolloutRow, rollout_id, populate_existing=True)
        return row.to_domain() if row else None

    async def save(self, rollout: Rollout) -> None:
        """Add it or replace what was known."""
        await self._session.merge(RolloutRow.of(rollout))
        await self._session.flush()

    async def open(self, pipeline: str) -> Sequence[Rollout]:
        """List those that are not over, oldest first."""
        states = [state.value for state in OPEN]
        of_pipeline = select(RolloutRow).where(RolloutRow.pipeline == pipeline, col(RolloutRow.state).in_(states))
        rows = await self._session.exec(of_pipeline.order_by(asc(RolloutRow.requested_at), asc(RolloutRow.id)))
        return [row.to_domain() for row in rows]

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Rollout]:
        """List the newest of one model or of all, newest first."""
        newest = select(RolloutRow).order_by(desc(RolloutRow.requested_at), desc(RolloutRow.id)).limit(limit)
        rows = await self._session.exec(newest.where(RolloutRow.pipeline == pipeline) if pipeline else newest)
        return [row.to_domain() for row in rows]
