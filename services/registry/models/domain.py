"""Models and versions as people name them. No I/O.

A version is a bundle, which a pipeline's run left and gates have judged, or it was logged: a client named a source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contracts.model import PipelineName
from services.registry.domain import Alias, Decision, VersionState

LONGEST_REASON = 1000
"""What the fact of an alias's move holds."""
IS_PROMPT = "mlflow.prompt.is_prompt"
"""Tag of what MLflow's clients keep among models, and is none."""


class Stage(StrEnum):
    """What MLflow called the aliases before it had any. Only ``Archived`` says something that no alias says."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True)
class HeldModel:
    """A model about which nobody else decides now."""

    pipeline: PipelineName
    name: str
    is_pipeline: bool
    description: str | None


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """What is known of any version, bundle or logged.

    Attributes:
        pipeline: Key of its model.
        name: Its model's.
        number: Counts from 1, never given twice.
        is_bundle: Whether a pipeline's run made it.
        source: As it was registered.
        location: Where its files are.
        run_id: The run that made it, if one is named; 32 hexadecimal digits.
        run_link: Where people find that run, if it is elsewhere.
        model_id: The logged model it is, if it is one.
        description: What people wrote.
        created_at: When it was registered.
        updated_at: When its description, stage or state last changed.
        archived: Whether somebody put it away.
        state: Where it stands.
        reason: Why it does: what its gates said, or whoever decided.
        bundle_uri: What serving loads; unset for what was only logged, until it became champion and could be packed.
        bundle_digest: That bundle's.
        decided_by: Who decided last.
        decided_at: When.
        tags: What people, and the registry, noted.
        aliases: Those that point at it, the registry's own among them.
    """

    pipeline: PipelineName
    name: str
    number: int
    is_bundle: bool
    source: str
    location: str
    run_id: str | None
    run_link: str | None
    model_id: str | None
    description: str | None
    created_at: datetime
    updated_at: datetime
    archived: bool
    state: VersionState
    reason: str | None
    bundle_uri: str | None = None
    bundle_digest: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def decision(self) -> Decision | None:
        """What was decided last, by whom and when."""
        if self.decided_by is None or self.decided_at is None:
            return None
        return Decision(self.decided_by, self.reason or "", self.decided_at)

    @property
    def stage(self) -> Stage:
        """What MLflow's clients are told it is."""
        if Alias.CHAMPION in self.aliases:
            return Stage.PRODUCTION
        if Alias.CHALLENGER in self.aliases:
            return Stage.STAGING
        # Whoever was champion is kept to be rolled back to, and that is what archives are for.
        return Stage.ARCHIVED if self.archived or self.state is VersionState.PROMOTED else Stage.NONE


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of a model: ``latest`` holds the newest version of each stage."""

    pipeline: PipelineName
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest: tuple[VersionEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What a client wants registered."""

    source: str
    location: str
    run_id: str | None = None
    run_link: str | None = None
    model_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
