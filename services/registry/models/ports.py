"""What naming models and versions needs from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from contracts.gates import AbsoluteGate
from contracts.model import PipelineName
from services.registry.domain import Decision, VersionState
from services.registry.models.domain import HeldModel, ModelEntry, NewVersion, VersionEntry


class NamedModels(Protocol):
    """Models by key, with what people say about them."""

    async def create(
        self, name: str, *, description: str | None, tags: Mapping[str, str], at: datetime
    ) -> PipelineName | None:
        """Make a model, or a deleted one again; its key, or None if there is one of that name."""

    async def hold(self, name: str) -> HeldModel | None:
        """Find a model by name and let nobody else decide about it before this transaction ends."""

    async def hold_key(self, pipeline: PipelineName) -> HeldModel | None:
        """Find a model by key and let nobody else decide about it before this transaction ends."""

    async def gates(self, pipeline: PipelineName) -> tuple[AbsoluteGate, ...]:
        """Read what versions of a model without a pipeline must pass."""

    async def declare(self, pipeline: PipelineName, gates: tuple[AbsoluteGate, ...], *, at: datetime) -> None:
        """Say what versions of a model without a pipeline must pass."""

    async def describe(self, pipeline: PipelineName, description: str | None, *, at: datetime) -> None:
        """Describe a model in other words."""

    async def tag(self, pipeline: PipelineName, key: str, value: str | None) -> str | None:
        """Give a tag another value, or remove it; the value it had."""

    async def rename(self, pipeline: PipelineName, name: str, *, at: datetime) -> PipelineName | None:
        """Give a model that was only logged another name; its new key, or None if versions of that name were there."""

    async def delete(self, pipeline: PipelineName, decision: Decision) -> tuple[int, ...]:
        """Delete a model with its versions and tags; the numbers of the versions it had.

        Its aliases point at nothing then, which is written down: what they pointed at before stays known.
        """

    async def logged(self) -> list[PipelineName]:
        """List the keys of the models that no pipeline makes versions of, by name; prompts are none."""

    async def entries(self, pipelines: Sequence[PipelineName]) -> list[ModelEntry]:
        """Read models, in the order asked for; those that are not there are left out."""


class NamedVersions(Protocol):
    """Versions of both kinds by number, with what people say about them."""

    async def add(self, pipeline: PipelineName, version: NewVersion, *, at: datetime) -> VersionEntry | None:
        """Register what was logged, under the next number; None if there is no such model."""

    async def describe(self, pipeline: PipelineName, number: int, description: str | None, *, at: datetime) -> None:
        """Describe a version in other words."""

    async def archive(self, pipeline: PipelineName, number: int, archived: bool, *, at: datetime) -> None:
        """Put a version away, or take it out again."""

    async def decide(self, pipeline: PipelineName, number: int, state: VersionState, decision: Decision) -> None:
        """Keep what became of a logged version, and why."""

    async def pack(
        self, pipeline: PipelineName, number: int, bundle_uri: str | None, bundle_digest: str | None
    ) -> None:
        """Keep where the bundle is that was made of a logged version, or that there is none."""

    async def tag(self, pipeline: PipelineName, number: int, key: str, value: str | None) -> str | None:
        """Give a tag another value, or remove it; the value it had."""

    async def delete(self, pipeline: PipelineName, number: int, *, at: datetime) -> None:
        """Delete a version, its tags and the aliases that point at it; its number stays taken."""

    async def get(self, pipeline: PipelineName, number: int) -> VersionEntry | None:
        """Find a version."""

    async def aliased(self, pipeline: PipelineName, alias: str) -> VersionEntry | None:
        """Find the version that an alias points at."""

    async def entries(self, versions: Sequence[tuple[PipelineName, int]]) -> list[VersionEntry]:
        """Read versions, in the order asked for; those that are not there are left out."""

    async def of_model(self, pipeline: PipelineName) -> list[VersionEntry]:
        """List a model's versions, newest first."""

    async def latest(self, pipelines: Sequence[PipelineName]) -> list[VersionEntry]:
        """Read the newest version of each stage of each model: champion, challenger, and of the others."""


class NamedAliases(Protocol):
    """Where each alias points now, the registry's own among them."""

    async def find(self, pipeline: PipelineName, alias: str) -> int | None:
        """Find what an alias points at."""

    async def point(self, pipeline: PipelineName, alias: str, number: int | None, decision: Decision) -> None:
        """Point an alias at a version, or at none, and write down who did. The model is held."""
