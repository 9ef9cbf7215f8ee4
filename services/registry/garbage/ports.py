"""What collecting needs from outside."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.model import PipelineName
from services.registry.garbage.domain import Garbage, Place


class Heap(Protocol):
    """What is known of what was deleted, refused, or failed. What is listed in a transaction that writes is held."""

    async def runs(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List runs that were deleted before a time, from behind one on, by id."""

    async def logged_models(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List logged models that were deleted, or their experiment was, before a time; from behind one on, by id."""

    async def experiments(self, before: datetime, *, after: str, limit: int) -> list[Garbage]:
        """List experiments that were deleted before a time, from behind one on, by id."""

    async def versions(
        self, deleted_before: datetime, refused_before: datetime | None, *, after: str, limit: int
    ) -> list[Garbage]:
        """List versions that have their files yet and were deleted, or refused and never champion; by id."""

    async def failed(self, run_ids: Sequence[UUID], before: datetime) -> list[Garbage]:
        """List those training runs that failed or were stopped before a time, and became no version."""

    async def drop_runs(self, run_ids: Sequence[str]) -> list[Place]:
        """Forget runs, those that there are, and all that they logged; tells where their files are."""

    async def drop_logged_models(self, model_ids: Sequence[str]) -> list[Place]:
        """Forget logged models, where they are there, and what was measured on them; tells where their files are."""

    async def drop_experiment(self, experiment_id: str) -> bool:
        """Forget an experiment but for its number; False if there are runs or models of it yet."""

    async def close_version(self, pipeline: PipelineName, number: int, at: datetime) -> Place | None:
        """Write down that a version's files are gone; tells where they are until they are erased."""

    async def has_bundle(self, place: Place) -> bool:
        """Tell whether a place is the bundle of a version that was not collected."""


class Erasures(Protocol):
    """Places whose files are to be erased, since nothing leads to them any more."""

    async def add(self, place: Place) -> None:
        """Have the files of a place erased; again changes nothing."""

    async def first(self, limit: int) -> list[Place]:
        """List some that wait."""

    async def waiting(self, paths: Collection[str]) -> set[str]:
        """Tell which of these paths wait."""

    async def count(self) -> int:
        """Count those that wait."""

    async def close(self, place: Place) -> None:
        """Say that its files are gone."""


class Store(Protocol):
    """Files, by paths relative to the root of the store. Raises ``TransientError`` where it does not answer."""

    async def training_runs(self) -> list[UUID]:
        """List the training runs that have a directory."""

    async def unfinished(self, before: datetime) -> list[Garbage]:
        """List what was begun to be written before a time, and never finished."""

    async def bytes_of(self, place: Place) -> int:
        """Add up the bytes that would be erased."""

    async def erase(self, place: Place) -> None:
        """Erase a place's files, if they are there."""
