"""Rollouts in memory."""

from collections.abc import Sequence
from uuid import UUID

from services.serving.domain import OPEN, Rollout


class InMemoryRollouts:
    def __init__(self) -> None:
        self._kept: dict[UUID, Rollout] = {}

    async def get(self, rollout_id: UUID) -> Rollout | None:
        return self._kept.get(rollout_id)

    async def save(self, rollout: Rollout) -> None:
        self._kept[rollout.id] = rollout

    async def open(self, pipeline: str) -> Sequence[Rollout]:
        found = [one for one in self._kept.values() if one.pipeline == pipeline and one.state in OPEN]
        return sorted(found, key=lambda one: (one.requested_at, one.id))

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Rollout]:
        found = [one for one in self._kept.values() if pipeline in (None, one.pipeline)]
        return sorted(found, key=lambda one: (one.requested_at, one.id), reverse=True)[:limit]
