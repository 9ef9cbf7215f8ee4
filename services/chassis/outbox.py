"""The outbox: what a transaction says is written with it, and published in order once it has committed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import groupby

from sqlalchemy import BigInteger, Integer, LargeBinary, String, bindparam, delete, text
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.catalog import BY_TYPE
from contracts.envelope import CONTENT_TYPE
from contracts.streams import StreamDefinition, stream_of
from services.chassis.backoff import Backoff
from services.chassis.batches import Publication, publish_together
from services.chassis.bus import MESSAGE_ID, Bus, BusRefusalError
from services.chassis.database import ChassisRow, Database, UtcDateTime
from services.chassis.logs import Log
from services.chassis.telemetry import Telemetry

BATCH = 100
BATCH_BYTES = 4 * 1024 * 1024
PAUSE_S = 0.05
"""After each batch: what is said meanwhile goes together. What is said after a silence goes at once."""

log = Log(__name__)

# Written out, for it is part of nearly every transaction: built from the row's class it would give back positions.
SAY = text(
    "INSERT INTO chassis_outbox (message_id, subject, body, traceparent, said_at)"
    " VALUES (:message_id, :subject, :body, :traceparent, :said_at)"
).bindparams(bindparam("body", type_=LargeBinary), bindparam("said_at", type_=UtcDateTime))


class OutboxRow(ChassisRow, table=True):
    """One message, committed and not yet known to be on the bus."""

    __tablename__ = "chassis_outbox"

    position: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=Integer().with_variant(BigInteger(), "postgresql"),
    )
    message_id: str = Field(unique=True, sa_type=String(256))
    subject: str = Field(sa_type=String(512))
    body: bytes = Field(sa_type=LargeBinary)
    traceparent: str | None = Field(default=None, sa_type=String(128))
    said_at: datetime = Field(sa_type=UtcDateTime)


class Relay:
    """Publishes the outbox, oldest first, so that order survives every failure: together, or one after another.

    A crash between publishing and deleting publishes again under the same id; the stream drops the second.
    """

    def __init__(self, database: Database, bus: Bus, telemetry: Telemetry) -> None:
        self._database = database
        self._bus = bus
        self._telemetry = telemetry
        self._committed = asyncio.Event()

    def wake(self) -> None:
        """Say that a transaction with messages has committed."""
        self._committed.set()

    async def run(self, silent: asyncio.Event) -> None:
        """Relay until nothing more will be said, then publish what is left, if that is possible now."""
        backoff = Backoff()
        while not silent.is_set():
            try:
                # Two relays on one database would publish out of order.
                async with self._database.exclusively("relay") as check:
                    await self._relay(check, silent, backoff)
            except Exception as error:
                log.warning("outbox relay is held up", error=str(error), next_try_s=backoff.delay_s)
                await backoff.wait()

    async def _relay(self, check: Callable[[], Awaitable[None]], silent: asyncio.Event, backoff: Backoff) -> None:
        while True:
            last = silent.is_set()
            self._committed.clear()
            await check()
            published = await self.flush()
            if published == BATCH:
                continue
            backoff.reset()
            if last:
                return
            if published:
                await asyncio.sleep(PAUSE_S)
            await self._wait()

    async def flush(self) -> int:
        """Publish one batch.

        Returns:
            How many messages went out.
        """
        async with self._database.session(write=False) as session:
            rows = await _oldest(session)
        for stream, together in groupby(rows, key=_stream_of):
            await self._say(stream, list(together))
        if rows:
            await self._mark(rows)
        return len(rows)

    async def _say(self, stream: StreamDefinition | None, rows: Sequence[OutboxRow]) -> None:
        if stream and stream.in_batches and len(rows) > 1 and sum(len(row.body) for row in rows) < BATCH_BYTES:
            try:
                await self._publish_together(rows)
            except BusRefusalError as error:
                # Some of them are there from an attempt whose answer was lost; each alone is recognised.
                log.info("outbox goes on one by one", reason=str(error))
            else:
                return
        for row in rows:
            with self._spans([row]) as (publication,):
                await self._bus.publish(publication.subject, publication.body, headers=publication.headers)

    async def _publish_together(self, rows: Sequence[OutboxRow]) -> None:
        with self._spans(rows) as publications:
            await publish_together(self._bus, publications)

    @contextmanager
    def _spans(self, rows: Sequence[OutboxRow]) -> Iterator[list[Publication]]:
        with ExitStack() as spans:
            yield [
                Publication(
                    row.subject,
                    row.body,
                    {
                        **spans.enter_context(
                            self._telemetry.publishing(row.subject, row.message_id, len(row.body), row.traceparent)
                        ),
                        MESSAGE_ID: row.message_id,
                        "Content-Type": CONTENT_TYPE,
                    },
                )
                for row in rows
            ]

    async def _mark(self, rows: Sequence[OutboxRow]) -> None:
        async with self._database.session() as session:
            await session.exec(delete(OutboxRow).where(col(OutboxRow.position).in_([row.position for row in rows])))
            await session.commit()

    async def _wait(self) -> None:
        # Another process of the same service may commit too, and it wakes its own relay only: look now and then.
        try:
            async with asyncio.timeout(1):
                await self._committed.wait()
        except TimeoutError:
            pass


def _stream_of(row: OutboxRow) -> StreamDefinition | None:
    message = BY_TYPE.get(row.subject.rpartition(".")[0])
    return stream_of(message) if message else None


async def waiting(session: AsyncSession) -> int:
    """Count messages that are committed and not yet published."""
    return len((await session.exec(select(OutboxRow.position))).all())


async def _oldest(session: AsyncSession) -> Sequence[OutboxRow]:
    return (await session.exec(select(OutboxRow).order_by(col(OutboxRow.position)).limit(BATCH))).all()
