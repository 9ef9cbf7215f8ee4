"""The log of predictions and the labels in SQL.

What is looked at again for windows lies in narrow rows; what was asked lies beside them, compressed, in one
document for the predictions that came in one message.
"""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy import BigInteger, CursorResult, Index, Integer, LargeBinary, String, Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.serving import PredictionBatch
from services.monitoring.counting import BoolArray
from services.monitoring.domain import Instant, Join, Label, WatchedVersion, latest, moment
from services.monitoring.ports import KnownPrediction, PredictionRecord
from services.monitoring.quality import Labelled
from services.monitoring.served import Served
from services.monitoring.store import MonitoringRow, VersionRow

BATCHES = TypeAdapter(tuple[PredictionBatch, ...])
FASTEST = 1
"""Level of compression: repeated keys and categories are most of what there is to gain."""


class SegmentRow(MonitoringRow, table=True):
    """Predictions of one version from one message, as compressed JSON."""

    __tablename__ = "segment"

    segment: int | None = Field(default=None, primary_key=True, sa_type=Integer)
    version_key: int = Field(index=True)
    message_id: str = Field(sa_type=String(256))
    replica: str = Field(sa_type=String(256))
    document: bytes = Field(sa_type=LargeBinary)


class PredictionRow(MonitoringRow, table=True):
    """One prediction: where its document is, what windows need of it, and the label that counts."""

    __tablename__ = "prediction"
    __table_args__ = (Index("prediction_by_time", "version_key", "event_at"), {"sqlite_with_rowid": False})

    prediction_id: str = Field(primary_key=True, sa_type=String(64))
    version_key: int
    segment: int
    position: int
    event_at: int = Field(sa_type=BigInteger)
    score: float
    label: float | None = None
    observed_at: int | None = Field(default=None, sa_type=BigInteger)
    said_at: int | None = Field(default=None, sa_type=BigInteger)


class LabelRow(MonitoringRow, table=True):
    """One label as it was said once."""

    __tablename__ = "label"
    __table_args__ = ({"sqlite_with_rowid": False},)

    pipeline: str = Field(primary_key=True, sa_type=String(63))
    prediction_id: str = Field(primary_key=True, sa_type=String(64))
    observed_at: int = Field(primary_key=True, sa_type=BigInteger)
    said_at: int = Field(primary_key=True, sa_type=BigInteger)
    value: float = Field(primary_key=True)


PREDICTION = cast(Table, PredictionRow.__table__)  # type: ignore[attr-defined]
LABEL = cast(Table, LabelRow.__table__)  # type: ignore[attr-defined]


class SqlPredictions:
    """Predictions in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, served: Served) -> BoolArray:
        """Keep predictions that are not known yet."""
        document = zlib.compress(BATCHES.dump_json(served.batches), FASTEST)
        segment = SegmentRow(
            version_key=served.version.key, message_id=served.message_id, replica=served.replica, document=document
        )
        self._session.add(segment)
        await self._session.flush()
        assert segment.segment
        rows = served.rows
        added = await _add(
            self._session,
            PREDICTION,
            [
                {
                    "prediction_id": prediction_id,
                    "version_key": served.version.key,
                    "segment": segment.segment,
                    "position": position,
                    "event_at": event_at,
                    "score": score,
                }
                for position, (prediction_id, event_at, score) in enumerate(
                    zip(rows.ids, rows.event_times.tolist(), rows.scores, strict=True)
                )
            ],
        )
        return np.ones(len(rows.ids), bool) if added == len(rows.ids) else await self._new(segment.segment, rows.ids)

    async def _new(self, segment: int, prediction_ids: Sequence[str]) -> BoolArray:
        mine = select(PredictionRow.position).where(
            _among(self._session, PREDICTION.c.prediction_id, prediction_ids), PredictionRow.segment == segment
        )
        new = np.zeros(len(prediction_ids), bool)
        new[list(await self._session.exec(mine))] = True
        return new

    async def find(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, KnownPrediction]:
        """Find known predictions of a pipeline."""
        # Joined with its version, SQLite would read all of the version's predictions instead of these few.
        keys = set(await self._session.exec(select(VersionRow.key).where(VersionRow.pipeline == pipeline)))
        columns = PREDICTION.c
        chosen = sa.select(
            columns.prediction_id,
            columns.version_key,
            columns.event_at,
            columns.label,
            columns.observed_at,
            columns.said_at,
        ).where(_among(self._session, columns.prediction_id, prediction_ids))
        found = (await (await self._session.connection()).execute(chosen)).all()
        return {
            prediction_id: KnownPrediction(
                version_key, event_at, None if label is None else Label(observed_at, said_at, label)
            )
            for prediction_id, version_key, event_at, label, observed_at, said_at in found
            if version_key in keys
        }

    async def join(self, joins: Sequence[Join]) -> None:
        """Put labels beside their predictions."""
        if not joins:
            return
        put = (
            update(PREDICTION)
            .where(PREDICTION.c.prediction_id == bindparam("of"))
            .values(label=bindparam("value"), observed_at=bindparam("observed"), said_at=bindparam("said"))
        )
        values = [
            {
                "of": join.prediction_id,
                "value": join.label.value,
                "observed": join.label.observed_at,
                "said": join.label.said_at,
            }
            for join in joins
        ]
        await (await self._session.connection()).execute(put, values)

    async def labelled(self, version_key: int, start: Instant, end: Instant) -> Labelled:
        """Get the labelled predictions of a stretch of time."""
        columns = PREDICTION.c
        chosen = sa.select(columns.event_at, columns.score, columns.label).where(
            columns.version_key == version_key,
            columns.event_at >= start,
            columns.event_at < end,
            columns.label.is_not(None),
        )
        found = (await (await self._session.connection()).execute(chosen)).all()
        event_times, scores, labels = zip(*found, strict=True) if found else ((), (), ())
        return Labelled(np.array(event_times, np.int64), np.array(scores, np.float64), np.array(labels, np.float64))

    async def log(self, version: WatchedVersion) -> AsyncIterator[tuple[Served, BoolArray]]:
        """Read what was added of a version."""
        chosen = select(SegmentRow.segment).where(SegmentRow.version_key == version.key)
        for key in (await self._session.exec(chosen.order_by(col(SegmentRow.segment)))).all():
            row = await self._session.get_one(SegmentRow, key)
            served = Served(version, row.message_id, row.replica, _batches(row))
            assert row.segment
            yield served, await self._new(row.segment, served.rows.ids)
            self._session.expunge(row)

    async def get(self, prediction_id: str) -> PredictionRecord | None:
        """Get one prediction."""
        row = await self._session.get(PredictionRow, prediction_id)
        if row is None:
            return None
        version = await self._session.get_one(VersionRow, row.version_key)
        segment = await self._session.get_one(SegmentRow, row.segment)
        batch, position = _locate(_batches(segment), row.position)
        said = select(LabelRow).where(LabelRow.pipeline == version.pipeline, LabelRow.prediction_id == prediction_id)
        history = [Label(label.observed_at, label.said_at, label.value) for label in await self._session.exec(said)]
        return PredictionRecord(
            prediction_id=prediction_id,
            pipeline=version.pipeline,
            version=version.number,
            event_time=moment(row.event_at),
            served_at=batch.served_at,
            score=row.score,
            inputs={name: values[position] for name, values in batch.inputs.items()},
            replica=segment.replica,
            traceparent=batch.traceparent,
            label=latest(history),
            history=tuple(sorted(history, key=lambda label: label.rank)),
        )

    async def newest(self, version_key: int, *, limit: int) -> list[str]:
        """List ids of a version's predictions, those whose event is latest first."""
        ids = select(PredictionRow.prediction_id).where(PredictionRow.version_key == version_key)
        latest_first = ids.order_by(col(PredictionRow.event_at).desc(), col(PredictionRow.prediction_id)).limit(limit)
        return list(await self._session.exec(latest_first))


class SqlLabels:
    """Labels in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def keep(self, pipeline: str, labels: Sequence[tuple[str, Label]]) -> None:
        """Keep labels that are not known yet."""
        rows = [
            {
                "pipeline": pipeline,
                "prediction_id": prediction_id,
                "observed_at": label.observed_at,
                "said_at": label.said_at,
                "value": label.value,
            }
            for prediction_id, label in labels
        ]
        await _add(self._session, LABEL, rows)

    async def of(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, Label]:
        """Find the labels that count."""
        columns = LABEL.c
        chosen = sa.select(columns.prediction_id, columns.observed_at, columns.said_at, columns.value).where(
            columns.pipeline == pipeline, _among(self._session, columns.prediction_id, prediction_ids)
        )
        rows = (await (await self._session.connection()).execute(chosen)).all()
        found: dict[str, Label] = {}
        for prediction_id, observed_at, said_at, value in rows:
            counts = latest([found.get(prediction_id), Label(observed_at, said_at, value)])
            assert counts
            found[prediction_id] = counts
        return found


def _among(session: AsyncSession, column: sa.Column[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare a column with many values as one parameter: a thousand cost more than the look-up itself."""
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(sa.select(sa.func.json_each(json.dumps(values)).table_valued("value").c.value))
    return column == sa.any_(sa.cast(list(values), postgresql.ARRAY(sa.String)))


async def _add(session: AsyncSession, table: Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows whose key is not there yet, and say how many that were."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    connection = await session.connection()
    result = await connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
    return cast("CursorResult[object]", result).rowcount


def _batches(row: SegmentRow) -> tuple[PredictionBatch, ...]:
    return BATCHES.validate_json(zlib.decompress(row.document))


def _locate(batches: Sequence[PredictionBatch], position: int) -> tuple[PredictionBatch, int]:
    for batch in batches:
        if position < len(batch.scores):
            return batch, position
        position -= len(batch.scores)
    raise IndexError(position)
