"""Precomputations in memory."""

from collections.abc import Sequence
from uuid import UUID

from services.serving.precompute.domain import OPEN, Precomputation, State


class InMemoryPrecomputations:
    def __init__(self) -> None:
        self._kept: dict[UUID, Precomputation] = {}

    async def get(self, precomputation_id: UUID) -> Precomputation | None:
        return self._kept.get(precomputation_id)

    async def hold(self, precomputation_id: UUID) -> Precomputation | None:
        return self._kept.get(precomputation_id)

    async def save(self, one: Precomputation) -> None:
        self._kept[one.id] = one

    async def open(self, pipeline: str | None = None) -> Sequence[Precomputation]:
        return [one for one in self._oldest_first(pipeline) if one.state in OPEN]

    async def over(self, pipeline: str) -> Sequence[Precomputation]:
        return [one for one in self._oldest_first(pipeline) if one.state not in OPEN | {State.DELETED}]

    async def newest_completed(self, pipeline: str, version: int) -> Precomputation | None:
        found = [one for one in self._oldest_first(pipeline) if one.version == version and one.state is State.COMPLETED]
        return found[-1] if found else None

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Precomputation]:
        return self._oldest_first(pipeline)[::-1][:limit]

    def _oldest_first(self, pipeline: str | None) -> list[Precomputation]:
        known = [one for one in self._kept.values() if pipeline in (None, one.pipeline)]
        return sorted(known, key=lambda one: (one.requested_at, one.id))
