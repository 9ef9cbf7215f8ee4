"""What the registry needs from outside."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from contracts.model import Digest, Uri
from contracts.registry import ImportModelVersion
from contracts.training import TrainingRunSucceeded
from services.registry.domain import AliasChange, Arrival, Evidence, Inspection, Model, ModelVersion


class Models(Protocol):
    """The pipelines whose versions are kept."""

    async def put(self, model: Model) -> None:
        """Make a model known, or change its definition; its numbering goes on."""

    async def all(self) -> list[Model]:
        """List the models by name."""

    async def get(self, pipeline: str) -> Model | None:
        """Find a model."""

    async def hold(self, pipeline: str) -> Model | None:
        """Find a model and let nobody else decide about it before this transaction ends."""

    async def next_number(self, pipeline: str, *, at_least: int = 1) -> int:
        """Take the next version number of a known model, or a later one. It is never given again."""


class Versions(Protocol):
    """The versions, and how each was decided."""

    async def add(self, version: ModelVersion) -> None:
        """Keep a new version."""

    async def put(self, version: ModelVersion) -> None:
        """Keep a version's new state, decision and approvals; nothing else of it ever changes."""

    async def get(self, pipeline: str, number: int) -> ModelVersion | None:
        """Find a version."""

    async def of_run(self, run_id: UUID) -> ModelVersion | None:
        """Find the version that a run became."""

    async def of_model(self, pipeline: str) -> list[ModelVersion]:
        """List a model's versions, newest first."""

    async def overdue(self, at: datetime) -> list[ModelVersion]:
        """List the versions that wait for approval for longer than they may."""


class AliasHistory(Protocol):
    """Every change of an alias, in order. Replayed, it says where the aliases point."""

    async def extend(self, pipeline: str, changes: tuple[AliasChange, ...]) -> None:
        """Write changes down after those already there."""

    async def of_model(self, pipeline: str) -> list[AliasChange]:
        """List a model's changes, oldest first."""


class Inspections(Protocol):
    """Messages that wait until their bundle has been read."""

    async def add(self, inspection: Inspection) -> None:
        """Let a message wait; one whose key was ever seen is ignored."""

    async def find(self, key: str) -> Inspection | None:
        """Find an inspection, closed or not."""

    async def due(self, now: datetime, *, limit: int) -> list[Inspection]:
        """List those to be tried now, in the order of their due time."""

    async def postpone(self, key: str, until: datetime) -> None:
        """Count a failed attempt and try again later."""

    async def outcome(self, key: str) -> str | None:
        """Find how an inspection ended; None while it has not."""

    async def close(self, key: str, outcome: str) -> bool:
        """End an inspection for good; False if someone else already did."""


class Bundles(Protocol):
    """Bundles and reports in the artifact store."""

    async def examine(self, run: TrainingRunSucceeded) -> Evidence:
        """Read what a run left, and verify every digest.

        Raises:
            RejectedError: A digest disagrees or a document is broken.
            TransientError: The store does not answer, or not yet.
        """

    async def receive(self, command: ImportModelVersion) -> Arrival:
        """Read what came from another registry, and verify every digest.

        Raises:
            RejectedError: A digest disagrees or a document is broken.
            TransientError: The store does not answer, or not yet.
        """

    async def verify(self, uri: Uri, digest: Digest) -> None:
        """Read a whole bundle again, and verify every digest.

        Raises:
            RejectedError: A digest disagrees.
            TransientError: The store does not answer.
        """
