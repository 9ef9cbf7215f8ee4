"""Monitoring without bus and database: messages in, facts out, judged when asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from contracts.message import Message
from services.chassis.subscriptions import Cause
from services.monitoring.handlers import SUBSCRIPTIONS
from services.monitoring.judging import judge_windows
from services.monitoring.ports import Labels, Monitors, Predictions, References, Versions, Windows
from tests.fakes.monitoring.labels import InMemoryLabels
from tests.fakes.monitoring.monitors import InMemoryMonitors
from tests.fakes.monitoring.predictions import InMemoryPredictions
from tests.fakes.monitoring.references import InMemoryReferences
from tests.fakes.monitoring.versions import InMemoryVersions
from tests.fakes.monitoring.windows import InMemoryWindows

SAID_AT = datetime(2026, 3, 1, tzinfo=UTC)


def cause(message_id: str = "message", said_at: datetime = SAID_AT) -> Cause:
    return Cause(message_id, message_id, said_at, said_at)


class World:
    """Ports with the machinery around them: by default in memory."""

    def __init__(self, ports: Mapping[type, Any] | None = None) -> None:
        self.references = InMemoryReferences()
        monitors, versions, labels = InMemoryMonitors(), InMemoryVersions(), InMemoryLabels()
        self.ports: dict[type, Any] = {
            Monitors: monitors,
            Versions: versions,
            Labels: labels,
            Windows: InMemoryWindows(monitors, versions),
            Predictions: InMemoryPredictions(labels),
            References: self.references,
            **(ports or {}),
        }
        self.transactions = 0
        self.facts: list[Message] = []
        self.causes: list[Cause | None] = []

    async def hear(self, message: Message, because: Cause | None = None) -> list[Message]:
        subscription = next(s for s in SUBSCRIPTIONS if isinstance(message, s.message))
        known = {**self.ports, Cause: because or cause()}
        return await subscription.handler(message, **{name: known[port] for name, port in subscription.ports.items()})

    async def judge(self) -> list[Message]:
        """Judge until nothing is due; returns what was told."""
        told = len(self.facts)
        while True:
            opened = self.transactions
            await judge_windows(self)  # type: ignore[arg-type]
            if self.transactions == opened + 1:
                break
        return self.facts[told:]

    @asynccontextmanager
    async def transaction(self, *, write: bool = True) -> AsyncIterator["World"]:
        self.transactions += 1
        yield self

    def port(self, protocol: type) -> Any:
        return self.ports[protocol]

    def say(self, message: Message, *, cause: Cause | None = None) -> None:
        self.facts.append(message)
        self.causes.append(cause)
