"""Transactions: the only way a service reads, writes and speaks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.envelope import MAX_BODY_BYTES, seal
from contracts.message import Message, utc_now
from services.chassis.bus import Bus
from services.chassis.database import Database
from services.chassis.errors import MalformedError
from services.chassis.outbox import SAY
from services.chassis.session import WROTE
from services.chassis.subscriptions import Cause
from services.chassis.telemetry import current_traceparent

P = TypeVar("P")
Ports = Mapping[Any, Callable[[AsyncSession], object]]


class Transaction:
    """Reads, writes and messages that happen together or not at all. Commits when its block ends."""

    def __init__(self, session: AsyncSession, ports: Ports, source: str) -> None:
        self.session = session
        self._ports = ports
        self._source = source
        self._said: list[dict[str, Any]] = []

    @property
    def wrote(self) -> bool:
        """Tell whether it changed rows, as far as its session knows."""
        return bool(self.session.info.get(WROTE))

    def port(self, protocol: type[P]) -> P:
        """Get the adapter of a port, bound to this transaction."""
        # The composition root pairs protocols with their adapters.
        return cast(P, self._ports[protocol](self.session))

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        """Publish a message if, and only after, this transaction commits.

        Args:
            message: What to say.
            cause: The message that led to it, for its story and its trace; unset: a story of its own, in the
                current trace.

        Raises:
            MalformedError: The message is too large for the bus.
        """
        message_id = str(uuid4())
        traceparent = (cause.traceparent if cause else None) or current_traceparent()
        envelope = seal(message, message_id=message_id, source=self._source, time=utc_now(), traceparent=traceparent)
        if cause:
            envelope = envelope.model_copy(
                update={"correlationid": cause.correlation_id, "causationid": cause.message_id}
            )
        body = envelope.to_bytes()
        if len(body) > MAX_BODY_BYTES:
            raise MalformedError("message_too_large", type=message.subject, size_bytes=len(body))
        self._said.append(
            {
                "message_id": message_id,
                "subject": message.address(),
                "body": body,
                "traceparent": traceparent,
                "said_at": envelope.time,
            }
        )

    async def commit(self) -> bool:
        """Write the messages last and commit.

        Their positions are taken after every lock this transaction waited for, so that what follows from another
        transaction's commit also follows it on the bus.

        Returns:
            Whether anything was said.
        """
        if self._said:
            await self.session.flush()
            await (await self.session.connection()).execute(SAY, self._said)
        await self.session.commit()
        return bool(self._said)


@dataclass
class Work:
    """Opens short transactions, outside of handlers for reconcilers. Never nest them: SQLite has one writer."""

    service: str
    database: Database
    ports: Ports
    bus: Bus
    on_said: Callable[[], None] = lambda: None
    on_written: list[Callable[[], None]] = field(default_factory=list)

    @asynccontextmanager
    async def transaction(self, *, write: bool = True) -> AsyncIterator[Transaction]:
        """Open a transaction that commits at the end of the block and is rolled back by any error.

        Raises:
            DatabaseUnavailableError: Nothing was committed; trying again may work.
        """
        async with self.database.session(write=write) as session:
            transaction = Transaction(session, self.ports, self.service)
            yield transaction
            said = await transaction.commit()
        if said:
            self.on_said()
        if transaction.wrote:
            for wake in self.on_written:
                wake()


@dataclass(frozen=True)
class Reconciler:
    """Drives what is towards what should be, outside of handlers: slow calls, clusters, clocks.

    ``step`` is called every ``every_s`` and soon after a transaction of the service has written something. It may
    be killed anywhere, so each step must be harmless to repeat. An error is logged, and the next call waits longer.
    """

    step: Callable[[Work], Awaitable[None]]
    every_s: float = 1.0
    woken: bool = True
    """Whether writes wake it; not where only the clock brings it work."""
