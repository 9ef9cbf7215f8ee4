"""Alerts and their deliveries in SQL."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Integer, String, Text, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.alerts import AlertKind, AlertNotice, Finding
from services.chassis.database import JsonDocument, UtcDateTime
from services.monitoring.alerts.domain import Alert, Delivery, DeliveryState, Occasion, Relief, Standing
from services.monitoring.store import MonitoringRow


class StandingRow(MonitoringRow, table=True):
    """Where a pipeline stands; also what is locked."""

    __tablename__ = "alert_standing"

    pipeline: str = Field(primary_key=True, sa_type=String(63))
    champion: int | None = None
    champion_since: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ReliefRow(MonitoringRow, table=True):
    """When a condition was last said to be over."""

    __tablename__ = "alert_relief"

    pipeline: str = Field(primary_key=True, sa_type=String(63))
    kind: str = Field(primary_key=True, sa_type=String(63))
    about: str = Field(primary_key=True, sa_type=String(100))
    at: datetime = Field(sa_type=UtcDateTime)


class AlertRow(MonitoringRow, table=True):
    """An alert. Of one condition at most one is open."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "one_open_alert",
            "pipeline",
            "kind",
            "about",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True, sa_type=String(36))
    pipeline: str = Field(sa_type=String(63))
    kind: str = Field(sa_type=String(63))
    about: str = Field(sa_type=String(100))
    finding: dict[str, Any] = Field(sa_type=JsonDocument)
    fact_id: str = Field(sa_type=String(256))
    trace_id: str | None = Field(default=None, sa_type=String(32))
    first_at: datetime = Field(sa_type=UtcDateTime)
    last_at: datetime = Field(sa_type=UtcDateTime, index=True)
    occurrences: int
    notices: int
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    snoozed_by: str | None = Field(default=None, sa_type=String(200))
    snooze_reason: str | None = Field(default=None, sa_type=Text)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str | None = Field(default=None, sa_type=String(200))
    resolved_reason: str | None = Field(default=None, sa_type=Text)

    @classmethod
    def of(cls, alert: Alert) -> "AlertRow":
        """Write an alert as a row."""
        same = {name: getattr(alert, name) for name in _SAME}
        return cls(
            id=str(alert.id),
            kind=alert.finding.kind.value,
            about=alert.finding.about,
            finding=alert.finding.model_dump(mode="json"),
            **same,
        )

    def to_domain(self) -> Alert:
        """Read the row."""
        same = {name: getattr(self, name) for name in _SAME}
        return Alert(id=UUID(self.id), finding=Finding.model_validate(self.finding), **same)


_SAME = (
    *("pipeline", "fact_id", "trace_id", "first_at", "last_at", "occurrences", "notices", "told_at"),
    *("snoozed_until", "snoozed_by", "snooze_reason", "resolved_at", "resolved_by", "resolved_reason"),
)
"""Fields of an alert that are columns as they are."""


class DeliveryRow(MonitoringRow, table=True):
    """A notice on its way; numbered in the order in which they were put there."""

    __tablename__ = "alert_delivery"

    number: int | None = Field(default=None, primary_key=True, sa_type=Integer)
    id: str = Field(sa_type=String(36), unique=True)
    alert_id: str = Field(sa_type=String(36), index=True)
    channel: str = Field(sa_type=String(63))
    occasion: str = Field(sa_type=String(16))
    notice: dict[str, Any] = Field(sa_type=JsonDocument)
    state: str = Field(sa_type=String(16), index=True)
    next_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int
    detail: str = Field(sa_type=Text)

    def to_domain(self) -> Delivery:
        """Read the row."""
        return Delivery(
            id=UUID(self.id),
            alert_id=UUID(self.alert_id),
            channel=self.channel,
            occasion=Occasion(self.occasion),
            notice=AlertNotice.model_validate(self.notice),
            next_at=self.next_at,
            state=DeliveryState(self.state),
            attempts=self.attempts,
            detail=self.detail,
        )


class SqlAlerts:
    """Alerts in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def hold(self, pipeline: str) -> Standing:
        """Lock the pipeline's row, made by this if it was not there."""
        made = _dialect(self._session).insert(StandingRow).values(pipeline=pipeline).on_conflict_do_nothing()
        await self._session.exec(made)
        row = (
            await self._session.exec(select(StandingRow).where(StandingRow.pipeline == pipeline).with_for_update())
        ).one()
        return Standing(row.pipeline, row.champion, row.champion_since)

    async def stand(self, standing: Standing) -> None:
        """Keep where a pipeline stands."""
        await self._session.merge(
            StandingRow(pipeline=standing.pipeline, champion=standing.champion, champion_since=standing.champion_since)
        )
        await self._session.flush()

    async def relieve(self, pipeline: str, relief: Relief, at: datetime) -> None:
        """Keep when a condition was last said to be over."""
        known = await self.relieved_at(pipeline, relief.kind, relief.about)
        latest = max(known, at) if known else at
        await self._session.merge(ReliefRow(pipeline=pipeline, kind=relief.kind.value, about=relief.about, at=latest))
        await self._session.flush()

    async def relieved_at(self, pipeline: str, kind: AlertKind, about: str) -> datetime | None:
        """Say when a condition was last said to be over."""
        row = await self._session.get(ReliefRow, (pipeline, kind.value, about))
        return row.at if row else None

    async def open(self, pipeline: str) -> list[Alert]:
        """List a pipeline's open alerts."""
        chosen = select(AlertRow).where(AlertRow.pipeline == pipeline, col(AlertRow.resolved_at).is_(None))
        return [row.to_domain() for row in await self._session.exec(chosen.order_by(AlertRow.id))]

    async def get(self, alert_id: UUID) -> Alert | None:
        """Get an alert."""
        # Read anew: it may have been read before the pipeline was held.
        row = await self._session.get(AlertRow, str(alert_id), populate_existing=True)
        return row.to_domain() if row else None

    async def save(self, alert: Alert) -> None:
        """Add or replace an alert."""
        await self._session.merge(AlertRow.of(alert))
        await self._session.flush()

    async def newest(self, *, pipeline: str | None, only_open: bool, limit: int) -> list[Alert]:
        """List alerts, latest first."""
        chosen = select(AlertRow).order_by(col(AlertRow.last_at).desc(), AlertRow.id).limit(limit)
        if pipeline:
            chosen = chosen.where(AlertRow.pipeline == pipeline)
        if only_open:
            chosen = chosen.where(col(AlertRow.resolved_at).is_(None))
        return [row.to_domain() for row in await self._session.exec(chosen)]

    async def waking(self, now: datetime) -> list[Alert]:
        """List alerts whose snooze is over."""
        chosen = select(AlertRow).where(col(AlertRow.snoozed_until) <= now).order_by(AlertRow.id)
        return [row.to_domain() for row in await self._session.exec(chosen)]


class SqlDeliveries:
    """Deliveries in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put notices on their way."""
        for one in deliveries:
            row = {
                **_changing(one),
                "id": str(one.id),
                "alert_id": str(one.alert_id),
                "channel": one.channel,
                "occasion": one.occasion.value,
                "notice": one.notice.model_dump(mode="json"),
            }
            added = _dialect(self._session).insert(DeliveryRow).values(row)
            await self._session.exec(added.on_conflict_do_nothing(index_elements=["id"]))

    async def save(self, delivery: Delivery) -> None:
        """Note what became of one."""
        row = (await self._session.exec(select(DeliveryRow).where(DeliveryRow.id == str(delivery.id)))).one()
        for name, value in _changing(delivery).items():
            setattr(row, name, value)
        await self._session.flush()

    async def due(self, now: datetime) -> set[str]:
        """Name the channels there is something for."""
        return set(await self._session.exec(select(DeliveryRow.channel).where(*_is_due(now)).distinct()))

    async def next(self, channel: str, now: datetime, *, limit: int) -> list[Delivery]:
        """List what is to be sent to a channel."""
        chosen = select(DeliveryRow).where(DeliveryRow.channel == channel, *_is_due(now))
        return [
            row.to_domain() for row in await self._session.exec(chosen.order_by(col(DeliveryRow.number)).limit(limit))
        ]

    async def of(self, alert_id: UUID) -> list[Delivery]:
        """List an alert's."""
        chosen = select(DeliveryRow).where(DeliveryRow.alert_id == str(alert_id)).order_by(col(DeliveryRow.number))
        return [row.to_domain() for row in await self._session.exec(chosen)]


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return col(DeliveryRow.state) == DeliveryState.WAITING.value, col(DeliveryRow.next_at) <= now


def _changing(delivery: Delivery) -> dict[str, Any]:
    return {
        "state": delivery.state.value,
        "next_at": delivery.next_at,
        "attempts": delivery.attempts,
        "detail": delivery.detail,
    }


def _dialect(session: AsyncSession) -> Any:
    return sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
