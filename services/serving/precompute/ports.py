"""What precomputing needs from outside, besides the cluster's jobs and what serving knows of its rollouts."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from contracts.jobs import PredictionReport
from contracts.model import Uri
from services.serving.precompute.domain import Plan, Precomputation


class Plans(Protocol):
    """What each pipeline wants precomputed."""

    async def get(self, pipeline: str) -> Plan | None:
        """Find a pipeline's plan."""

    async def hold(self, pipeline: str) -> Plan:
        """Get a plan, an empty one if there is none, and let nobody else change it before this transaction ends."""

    async def all(self) -> Sequence[Plan]:
        """List all, by name."""

    async def save(self, plan: Plan) -> None:
        """Add it or replace what was known."""


class Precomputations(Protocol):
    """Every precomputation there ever was."""

    async def get(self, precomputation_id: UUID) -> Precomputation | None:
        """Find one."""

    async def hold(self, precomputation_id: UUID) -> Precomputation | None:
        """Find one and let nobody else decide about it before this transaction ends."""

    async def save(self, one: Precomputation) -> None:
        """Add it or replace what was known."""

    async def open(self, pipeline: str | None = None) -> Sequence[Precomputation]:
        """List those of one model or of all that are not over, oldest first."""

    async def over(self, pipeline: str) -> Sequence[Precomputation]:
        """List those of one model that are over and may have left files, oldest first."""

    async def newest_completed(self, pipeline: str, version: int) -> Precomputation | None:
        """Find the one whose scores are looked up while a version answers."""

    async def recent(self, pipeline: str | None = None, *, limit: int = 100) -> Sequence[Precomputation]:
        """List the newest of one model or of all, newest first."""


class PredictionFiles(Protocol):
    """What precomputations read and write in the store. May raise ``TransientError`` while it cannot be reached."""

    async def write_spec(self, one: Precomputation) -> Uri:
        """Store what the job is to do; return its URI. Storing the same again changes nothing."""

    async def report(self, one: Precomputation) -> PredictionReport | None:
        """Read what the job left; None without a report that can be read."""

    async def in_table(self, pipeline: str) -> Collection[UUID]:
        """Tell of which precomputations the newest version of a model's table holds rows."""

    async def delete(self, one: Precomputation) -> int:
        """Delete what one left, as far as it is there; return how many bytes that were."""
