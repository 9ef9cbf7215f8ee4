"""Transactions over ports in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contracts.message import Message
from services.chassis.subscriptions import Cause
from services.ingestion.ports import Batches, Versions
from tests.fakes.ingestion.batches import InMemoryBatches
from tests.fakes.ingestion.versions import InMemoryVersions


class InMemoryTransaction:
    def __init__(self, ports: dict[type, object]) -> None:
        self._ports = ports
        self.said: list[tuple[Message, Cause | None]] = []

    def port(self, protocol: type) -> object:
        return self._ports[protocol]

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        self.said.append((message, cause))


class InMemoryWork:
    """Says only what a transaction said that ended well; writes are not undone."""

    def __init__(self) -> None:
        self.batches = InMemoryBatches()
        self.versions = InMemoryVersions()
        self.said: list[tuple[Message, Cause | None]] = []

    @property
    def facts(self) -> list[Message]:
        return [message for message, _ in self.said]

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[InMemoryTransaction]:
        transaction = InMemoryTransaction({Batches: self.batches, Versions: self.versions})
        yield transaction
        self.said += transaction.said
