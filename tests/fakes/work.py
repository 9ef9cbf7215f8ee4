"""Transactions over ports in memory: what is written and said in one that fails is forgotten."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from contracts.message import Message
from services.chassis.subscriptions import Cause


class InMemoryTransaction:
    def __init__(self, ports: Mapping[type, Any]) -> None:
        self._ports = ports
        self.said: list[tuple[Message, Cause | None]] = []

    def port(self, protocol: type[Any]) -> Any:
        return self._ports[protocol]

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        self.said.append((message, cause))


class InMemoryWork:
    def __init__(self, ports: Mapping[type, Any]) -> None:
        self._ports = ports
        self.said: list[Message] = []
        self.causes: list[Cause | None] = []
        self.bus = None

    @asynccontextmanager
    async def transaction(self, *, write: bool = True) -> AsyncIterator[InMemoryTransaction]:
        transaction = InMemoryTransaction(self._ports)
        before = {kind: deepcopy(vars(port)) for kind, port in self._ports.items()}
        try:
            yield transaction
        except Exception:
            for kind, port in self._ports.items():
                vars(port).update(before[kind])
            raise
        assert write or not transaction.said
        self.said += [message for message, _ in transaction.said]
        self.causes += [cause for _, cause in transaction.said]

    def of(self, kind: type[Message]) -> list[Any]:
        """Find what was said of one type."""
        return [message for message in self.said if isinstance(message, kind)]
