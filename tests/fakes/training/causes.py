"""Causes in memory."""

from datetime import datetime

from contracts.pipeline import TriggerKind
from services.training.domain import HeardCause


class InMemoryCauses:
    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], HeardCause] = {}

    async def get(self, pipeline: str, message_id: str) -> HeardCause | None:
        return self._heard.get((pipeline, message_id))

    async def save(self, heard: HeardCause) -> None:
        self._heard[heard.pipeline, heard.cause.message_id] = heard

    async def due(self, pipeline: str) -> list[HeardCause]:
        due = [heard for heard in self._heard.values() if heard.due and heard.pipeline == pipeline]
        return sorted(due, key=lambda heard: heard.cause.kind)

    async def waiting(self) -> list[str]:
        return sorted({heard.pipeline for heard in self._heard.values() if heard.due})

    async def last_scheduled(self, pipeline: str) -> datetime | None:
        spoken = (heard for heard in self._heard.values() if heard.cause.kind is TriggerKind.SCHEDULE)
        return max((heard.heard_at for heard in spoken if heard.pipeline == pipeline), default=None)

    async def recent(self, pipeline: str | None, *, limit: int) -> list[HeardCause]:
        chosen = [heard for heard in self._heard.values() if pipeline in (None, heard.pipeline)]
        return sorted(chosen, key=lambda heard: heard.heard_at, reverse=True)[:limit]

    async def of_story(self, correlation_id: str) -> list[HeardCause]:
        chosen = [heard for heard in self._heard.values() if heard.origin.correlation_id == correlation_id]
        return sorted(chosen, key=lambda heard: heard.heard_at, reverse=True)
