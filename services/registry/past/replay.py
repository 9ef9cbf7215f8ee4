"""The log, retold to a database that knows nothing: afterwards it knows what the registry knew that said it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from contracts.message import Message
from services.chassis.database import Database
from services.chassis.errors import EverloopError, RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.chassis.work import Ports, Transaction
from services.registry.past import garbage, logged_models, models, tracking, versions
from services.registry.past.ports import Log, Said

REGISTRY = "registry"
AT_ONCE = 200
_EVERY = (
    *tracking.REPLAYED,
    *logged_models.REPLAYED,
    *versions.REPLAYED,
    *models.REPLAYED,
    *garbage.REPLAYED,
)
REPLAYED: Mapping[type[Message], Subscription] = {each.message: each for each in _EVERY}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A message that could not be taken at its word, and why."""

    type: str
    message_id: str
    why: str


async def retell(log: Log, database: Database, ports: Ports, *, left_out: list[LeftOut] | None = None) -> int:
    """Take every message of the log at its word, many in one transaction.

    Args:
        log: The messages, oldest first.
        database: Has its tables, and nothing in them.
        ports: What they are told to.
        left_out: Gathers those that cannot be taken at their word, instead of an error.

    Returns:
        How many said something.

    Raises:
        RejectedError: One cannot be taken at its word; the error says which and why.
    """
    told = 0
    async for batch in _batches(log):
        async with database.session() as session:
            transaction = Transaction(session, ports, REGISTRY)
            for said in batch:
                try:
                    # A savepoint each only where one may fail and the others stay.
                    async with nullcontext() if left_out is None else session.begin_nested():
                        await take(said, transaction.port)
                except RejectedError as error:
                    if left_out is None:
                        raise
                    left_out.append(LeftOut(said.envelope.type, said.envelope.id, str(error.fields["why"])))
            await transaction.commit()
        told += len(batch)
    return told


async def take(said: Said, port: Callable[[Any], Any]) -> None:
    """Take one message at its word.

    Raises:
        RejectedError: It cannot be.
    """
    envelope, message = said.envelope, said.message
    try:
        if message is None:
            raise RejectedError("unreadable", hint="said by another release?")
        story = envelope.correlationid or envelope.id
        cause = Cause(envelope.id, story, envelope.time, envelope.time, envelope.traceparent)
        subscription = REPLAYED[type(message)]
        given = {name: cause if kind is Cause else port(kind) for name, kind in subscription.ports.items()}
        await subscription.handler(message, **given)
    except (EverloopError, SQLAlchemyError) as error:
        raise RejectedError("log_not_replayable", type=envelope.type, id=envelope.id, why=error) from error


def counts(said: Said) -> bool:
    """Tell whether a message says something of the state: one of the registry's own, or one it heard.

    What others put on the registry's subjects is no fact of it.
    """
    message, envelope = said.message, said.envelope
    own = envelope.source == f"/everloop/{REGISTRY}" and envelope.type.startswith(f"events.{REGISTRY}.")
    if message is None:
        return own
    return type(message) in REPLAYED and (own or type(message).owner() != REGISTRY)


async def _batches(log: Log) -> AsyncIterator[list[Said]]:
    batch: list[Said] = []
    async for said in log:
        if counts(said):
            batch.append(said)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
