"""Transactions over ports in memory, for the driver: what is said is kept."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from contracts.message import Message
from services.chassis.subscriptions import Cause


class InMemoryTransaction:
    def __init__(self, ports: Mapping[type, Any]) -> None:
        self._ports = ports
        self.said: list[tuple[Message, Cause | None]] = []

    def port(self, protocol: type) -> Any:
        return self._ports[protocol]

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        self.said.append((message, cause))


class InMemoryWork:
    def __init__(self, ports: Mapping[type, Any]) -> None:
        self._ports = ports
        self.bus = None
        self.said: list[Message] = []
        self.causes: list[Cause | None] = []

    @asynccontextmanager
    async def transaction(self, *, write: bool = True) -> AsyncIterator[InMemoryTransaction]:
        transaction = InMemoryTransaction(self._ports)
        yield transaction
        assert write or not transaction.said
        self.said += [message for message, _ in transaction.said]
        self.causes += [cause for _, cause in transaction.said]
