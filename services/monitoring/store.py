"""Pipelines, versions and windows in SQL."""

import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.monitoring import DriftKind
from contracts.pipeline import PipelineDefinition
from contracts.profile import Reference
from services.chassis.database import JsonDocument, UtcDateTime
from services.chassis.subscriptions import Cause
from services.monitoring.counting import Baseline
from services.monitoring.domain import Instant, Monitor, WatchedVersion, Window
from services.monitoring.drift import DriftVerdict
from services.monitoring.quality import QualityVerdict

CAUSE = TypeAdapter(Cause | None)
DEFINITION = TypeAdapter(PipelineDefinition | None)
DRIFT = TypeAdapter(dict[DriftKind, DriftVerdict])


class MonitoringRow(SQLModel, registry=registry()):
    """Rows of monitoring."""


class MonitorRow(MonitoringRow, table=True):
    """A pipeline under watch."""

    __tablename__ = "monitor"

    pipeline: str = Field(primary_key=True, sa_type=String(63))
    definition: str = Field(sa_type=Text)
    watermark: int | None = Field(default=None, sa_type=BigInteger)
    label_watermark: int | None = Field(default=None, sa_type=BigInteger)
    joined: int = Field(sa_type=BigInteger)
    delays: list[int] = Field(sa_type=JsonDocument)
    served_by: dict[str, Any] | None = Field(default=None, sa_type=JsonDocument)
    labelled_by: dict[str, Any] | None = Field(default=None, sa_type=JsonDocument)

    @classmethod
    def of(cls, monitor: Monitor) -> "MonitorRow":
        """Write a pipeline as a row."""
        return cls(
            pipeline=monitor.pipeline,
            definition=DEFINITION.dump_json(monitor.definition).decode(),
            watermark=monitor.watermark,
            label_watermark=monitor.label_watermark,
            joined=monitor.joined,
            delays=list(monitor.delays),
            served_by=CAUSE.dump_python(monitor.served_by, mode="json"),
            labelled_by=CAUSE.dump_python(monitor.labelled_by, mode="json"),
        )

    def to_domain(self) -> Monitor:
        """Read the row."""
        return Monitor(
            pipeline=self.pipeline,
            definition=DEFINITION.validate_json(self.definition),
            watermark=self.watermark,
            label_watermark=self.label_watermark,
            joined=self.joined,
            delays=tuple(self.delays),
            served_by=CAUSE.validate_python(self.served_by),
            labelled_by=CAUSE.validate_python(self.labelled_by),
        )


class VersionRow(MonitoringRow, table=True):
    """A version that has answered; its reference is compressed JSON."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("pipeline", "number"),)

    key: int | None = Field(default=None, primary_key=True, sa_type=Integer)
    pipeline: str = Field(sa_type=String(63))
    number: int
    bundle_uri: str | None = Field(default=None, sa_type=Text)
    bundle_digest: str | None = Field(default=None, sa_type=Text)
    watched_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reference: bytes | None = Field(default=None, sa_type=LargeBinary)

    def to_domain(self) -> WatchedVersion:
        """Read the row."""
        assert self.key, "the row has been written"
        return WatchedVersion(
            key=self.key,
            pipeline=self.pipeline,
            number=self.number,
            bundle_uri=self.bundle_uri,
            bundle_digest=self.bundle_digest,
            watched_since=self.watched_since,
            baseline=baseline_of(self.reference) if self.reference else None,
        )


class WindowRow(MonitoringRow, table=True):
    """A window; its counts are little-endian 64-bit integers."""

    __tablename__ = "window"

    version_key: int = Field(primary_key=True, sa_type=Integer)
    start: int = Field(primary_key=True, sa_type=BigInteger)
    end: int = Field(sa_type=BigInteger)
    counts: bytes = Field(sa_type=LargeBinary)
    predictions: int
    labelled: int
    label_changes: int
    drift: dict[str, Any] = Field(sa_type=JsonDocument)
    drift_rows: int | None
    quality: dict[str, Any] | None = Field(sa_type=JsonDocument)
    quality_rows: int | None
    quality_changes: int | None
    told: list[str] = Field(sa_type=JsonDocument)
    settled: bool = Field(index=True)

    @classmethod
    def of(cls, window: Window) -> "WindowRow":
        """Write a window as a row."""
        return cls(
            version_key=window.version_key,
            start=window.start,
            end=window.end,
            counts=window.counts.astype("<i8").tobytes(),
            predictions=window.predictions,
            labelled=window.labelled,
            label_changes=window.label_changes,
            drift=DRIFT.dump_python(window.drift, mode="json"),
            drift_rows=window.drift_rows,
            quality=window.quality.model_dump(mode="json") if window.quality else None,
            quality_rows=window.quality_rows,
            quality_changes=window.quality_changes,
            told=sorted(window.told),
            settled=window.is_settled,
        )

    def to_domain(self) -> Window:
        """Read the row."""
        return Window(
            version_key=self.version_key,
            start=self.start,
            end=self.end,
            counts=np.frombuffer(self.counts, "<i8").astype(np.int64),
            predictions=self.predictions,
            labelled=self.labelled,
            label_changes=self.label_changes,
            drift=DRIFT.validate_python(self.drift),
            drift_rows=self.drift_rows,
            quality=QualityVerdict.model_validate(self.quality) if self.quality else None,
            quality_rows=self.quality_rows,
            quality_changes=self.quality_changes,
            told=frozenset(self.told),
        )


@lru_cache(maxsize=64)
def baseline_of(reference: bytes) -> Baseline:
    """Read a kept reference; remembered, because every message needs it and it never changes."""
    return Baseline(Reference.model_validate_json(zlib.decompress(reference)))


class SqlMonitors:
    """Monitors in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, pipeline: str) -> Monitor | None:
        """Get a pipeline; SQLite's transactions keep all others off anyway."""
        chosen = select(MonitorRow).where(MonitorRow.pipeline == pipeline).with_for_update()
        row = (await self._session.exec(chosen)).first()
        return row.to_domain() if row else None

    async def get(self, pipeline: str) -> Monitor | None:
        """Get a pipeline."""
        row = await self._session.get(MonitorRow, pipeline)
        return row.to_domain() if row else None

    async def save(self, monitor: Monitor) -> None:
        """Add or replace a pipeline."""
        await self._session.merge(MonitorRow.of(monitor))
        await self._session.flush()


class SqlVersions:
    """Versions in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def see(self, pipeline: str, number: int) -> WatchedVersion:
        """Get a version; the caller holds the pipeline's lock, so nobody else adds it."""
        chosen = select(VersionRow).where(VersionRow.pipeline == pipeline, VersionRow.number == number)
        row = (await self._session.exec(chosen)).first()
        if row is None:
            row = VersionRow(pipeline=pipeline, number=number)
            self._session.add(row)
            await self._session.flush()
        return row.to_domain()

    async def all(self, pipeline: str) -> list[WatchedVersion]:
        """List a pipeline's versions by number."""
        chosen = select(VersionRow).where(VersionRow.pipeline == pipeline).order_by(col(VersionRow.number))
        return [row.to_domain() for row in await self._session.exec(chosen)]

    async def watch(self, version: WatchedVersion, reference: Reference, since: datetime) -> WatchedVersion:
        """Keep a version's reference."""
        row = await self._session.get_one(VersionRow, version.key)
        row.bundle_uri, row.bundle_digest, row.watched_since = version.bundle_uri, version.bundle_digest, since
        row.reference = zlib.compress(reference.model_dump_json().encode())
        await self._session.flush()
        return row.to_domain()


class SqlWindows:
    """Windows in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, version_key: int, starts: Sequence[Instant]) -> dict[Instant, Window]:
        """Get windows by start."""
        chosen = select(WindowRow).where(WindowRow.version_key == version_key, col(WindowRow.start).in_(starts))
        return {row.start: row.to_domain() for row in await self._session.exec(chosen)}

    async def save(self, windows: Sequence[Window]) -> None:
        """Add or replace windows."""
        for window in windows:
            await self._session.merge(WindowRow.of(window))
        await self._session.flush()

    async def due(self) -> list[tuple[str, int, Window]]:
        """List windows that are closed and not settled; those that only wait for labels, only where there are any."""
        chosen = (
            select(VersionRow.pipeline, VersionRow.number, WindowRow)
            .join(VersionRow, col(VersionRow.key) == WindowRow.version_key)
            .join(MonitorRow, col(MonitorRow.pipeline) == VersionRow.pipeline)
            .where(
                ~col(WindowRow.settled),
                col(WindowRow.end) <= col(MonitorRow.watermark),
                or_(
                    col(MonitorRow.label_watermark).is_not(None),
                    col(WindowRow.drift_rows).is_distinct_from(WindowRow.predictions),
                ),
            )
            .order_by(col(WindowRow.end), col(WindowRow.version_key))
        )
        return [(pipeline, number, row.to_domain()) for pipeline, number, row in await self._session.exec(chosen)]

    async def between(self, version_key: int, start: Instant, end: Instant | None = None) -> list[Window]:
        """List a version's windows that begin in a stretch of time."""
        chosen = select(WindowRow).where(WindowRow.version_key == version_key, WindowRow.start >= start)
        if end is not None:
            chosen = chosen.where(WindowRow.start < end)
        return [row.to_domain() for row in await self._session.exec(chosen.order_by(col(WindowRow.start)))]

    async def before(self, version_key: int, start: Instant) -> Window | None:
        """Get the last of a version's windows before a start."""
        chosen = select(WindowRow).where(WindowRow.version_key == version_key, WindowRow.start < start)
        row = (await self._session.exec(chosen.order_by(col(WindowRow.start).desc()).limit(1))).first()
        return row.to_domain() if row else None

    async def of(self, version_key: int) -> list[Window]:
        """List a version's windows, oldest first."""
        chosen = select(WindowRow).where(WindowRow.version_key == version_key).order_by(col(WindowRow.start))
        return [row.to_domain() for row in await self._session.exec(chosen)]
