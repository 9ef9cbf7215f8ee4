"""Batches in memory."""

from collections.abc import Sequence
from uuid import UUID

from services.ingestion.domain import OPEN_STATES, Batch, BatchState


class InMemoryBatches:
    def __init__(self) -> None:
        self._batches: dict[UUID, Batch] = {}

    async def add(self, batch: Batch) -> None:
        self._batches.setdefault(batch.batch_id, batch)

    async def get(self, batch_id: UUID) -> Batch | None:
        return self._batches.get(batch_id)

    async def save(self, batch: Batch, *, was: BatchState) -> bool:
        if self._batches[batch.batch_id].state is not was:
            return False
        self._batches[batch.batch_id] = batch
        return True

    async def heads(self) -> Sequence[Batch]:
        heads: dict[str, Batch] = {}
        for batch in self._batches.values():
            if batch.state in OPEN_STATES:
                heads.setdefault(batch.pipeline, batch)
        return list(heads.values())

    async def of(self, pipeline: str, *, state: BatchState | None = None, limit: int) -> Sequence[Batch]:
        found = [
            batch
            for batch in reversed(self._batches.values())
            if batch.pipeline == pipeline and state in (None, batch.state)
        ]
        return found[:limit]
