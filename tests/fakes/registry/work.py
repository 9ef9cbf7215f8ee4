"""Transactions in memory: ports that are already bound, and a list of what was said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

from contracts.message import Message
from services.chassis.subscriptions import Cause


class InMemoryTransaction:
    """What a block of a transaction may do."""

    def __init__(self, ports: dict[type, object]) -> None:
        self._ports = ports
        self.said: list[tuple[Message, Cause | None]] = []

    def port(self, protocol: type[Any]) -> Any:
        return self._ports[protocol]

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        self.said.append((message, cause))


class InMemoryWork:
    """Opens transactions; what was written and said in one that failed is forgotten."""

    def __init__(self, ports: dict[type, object]) -> None:
        self._ports = ports
        self.said: list[Message] = []
        self.causes: list[Cause | None] = []

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
        self.said += [message for message, _ in transaction.said]
        self.causes += [cause for _, cause in transaction.said]
