"""The log, retold to a database that knows nothing: afterwards it knows what the registry knew that said it."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from contracts.message import Message
from services.chassis.database import Database
from services.chassis.errors import EverloopError, RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.chassis.work import Ports, Transaction
from services.registry.past import logged_models, models, tracking, versions
from services.registry.past.ports import Log, Said

REGISTRY = "registry"
AT_ONCE = 200
REPLAYED: Mapping[type[Message], Subscription] = {
    each.message: each for each in (*tracking.REPLAYED, *logged_models.REPLAYED, *versions.REPLAYED, *models.REPLAYED)
}


async def retell(log: Log, database: Database, ports: Ports) -> int:
    """Take every message of the log at its word, many in one transaction.

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
                await take(said, transaction.port)
            await transaction.commit()
        told += len(batch)
    return told


async def take(said: Said, port: Callable[[Any], Any]) -> None:
    """Take one message at its word."""
    envelope, message = said.envelope, said.message
    assert message is not None
    story = envelope.correlationid or envelope.id
    cause = Cause(envelope.id, story, envelope.time, envelope.time, envelope.traceparent)
    subscription = REPLAYED[type(message)]
    given = {name: cause if kind is Cause else port(kind) for name, kind in subscription.ports.items()}
    try:
        await subscription.handler(message, **given)
    except EverloopError as error:
        raise RejectedError("log_not_replayable", type=envelope.type, id=envelope.id, said=error) from error


def counts(said: Said) -> bool:
    """Tell whether a message says something of the state: one of the registry's own, or one it heard.

    What others put on the registry's subjects is no fact of it.
    """
    message = said.message
    if message is None or type(message) not in REPLAYED:
        return False
    return type(message).owner() != REGISTRY or said.envelope.source == f"/everloop/{REGISTRY}"


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
