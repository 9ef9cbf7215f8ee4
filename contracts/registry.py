"""What is said to and by the registry service."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.bundle import Lineage
from contracts.message import Command, Event
from contracts.model import Contract, Digest, Uri, VersionNumber
from contracts.pipeline import Gate

Person = Field(min_length=1, max_length=200, description="Who says so; recorded for good.")
Reason = Field(min_length=1, max_length=1000, description="Why; recorded for good.")
ClaimedBy = Field(
    default=None, max_length=200, description="Whom the client named, else its protocol. Unset in events of before."
)


class JudgedData(Contract):
    """The held-out rows that a gate judged by."""

    dataset_version: VersionNumber | None = None
    dataset_digest: Digest | None = None
    rows: int = Field(ge=0)
    start: AwareDatetime
    end: AwareDatetime


class GateVerdict(Contract):
    """What one gate said of one candidate."""

    gate: Gate
    criterion: str | None = Field(default=None, max_length=200, description="What decided, in a few words.")
    passed: bool
    value: float | None = Field(default=None, description="The candidate's; unset if it was not measured.")
    threshold: float | None = Field(default=None, description="What the value was held against.")
    explanation: str = Field(max_length=500)
    data: JudgedData | None = Field(default=None, description="Unset in verdicts of before.")


class AliasMove(Contract):
    """An alias left one version for another; unset: it pointed, or points, at none."""

    alias: str = Field(min_length=1, max_length=256)
    version: VersionNumber | None = None
    previous_version: VersionNumber | None = None


DecidedAt = Field(default=None, description="Unset in events of before: when the event was said.")
Moved = Field(
    default=None, description="Every alias this changed. Unset in events of before, which follow from theirs."
)


class ApproveModelVersion(Command):
    """Approve a version that waits for a person; with the last approval that is needed, it is promoted."""

    subject: ClassVar[str] = "commands.registry.version.approve.v1"

    version: VersionNumber
    approved_by: str = Person
    reason: str = Reason


class RejectModelVersion(Command):
    """Refuse a version that waits for a person."""

    subject: ClassVar[str] = "commands.registry.version.reject.v1"

    version: VersionNumber
    rejected_by: str = Person
    reason: str = Reason


class RollBackModel(Command):
    """Make an earlier version champion again."""

    subject: ClassVar[str] = "commands.registry.version.roll_back.v1"

    to_version: VersionNumber | None = Field(default=None, description="Unset: the previous champion.")
    requested_by: str = Person
    reason: str = Reason


class ImportModelVersion(Command):
    """Make a version known that another registry registered; its files are in the store."""

    subject: ClassVar[str] = "commands.registry.version.import.v1"

    run_id: UUID
    report_uri: Uri
    report_digest: Digest
    bundle_uri: Uri
    bundle_digest: Digest
    record_uri: Uri = Field(description="What the other registry knew of it.")
    record_digest: Digest
    imported_by: str = Person
    reason: str = Reason


class ModelVersionRegistered(Event):
    """A run's bundle verified and became a version."""

    subject: ClassVar[str] = "events.registry.version.registered.v1"

    version: VersionNumber
    run_id: UUID
    bundle_uri: Uri
    bundle_digest: Digest
    model_digest: Digest
    lineage: Lineage
    registered_at: AwareDatetime | None = DecidedAt


class ModelVersionImported(Event):
    """A version of another registry verified and is known here. No gate of this registry has judged it."""

    subject: ClassVar[str] = "events.registry.version.imported.v1"

    version: VersionNumber = Field(description="Its number there, where that was never given here; else the next.")
    original_version: VersionNumber
    run_id: UUID
    report_uri: Uri
    report_digest: Digest
    bundle_uri: Uri
    bundle_digest: Digest
    model_digest: Digest
    record_uri: Uri
    record_digest: Digest
    lineage: Lineage
    imported_by: str
    imported_at: AwareDatetime
    reason: str


class ModelVersionGatesEvaluated(Event):
    """Every gate of the pipeline has judged a version."""

    subject: ClassVar[str] = "events.registry.version.gates_evaluated.v1"

    version: VersionNumber
    passed: bool
    champion_version: VersionNumber | None = None
    verdicts: tuple[GateVerdict, ...]


class ModelVersionAwaitingApproval(Event):
    """A version passed its gates, and its policy asks a person (or only tells one)."""

    subject: ClassVar[str] = "events.registry.version.awaiting_approval.v1"

    version: VersionNumber
    approvals: int = Field(default=1, ge=1, description="Different people who must approve.")
    expires_at: AwareDatetime | None = Field(default=None, description="When it is rejected, still waiting.")
    reason: str = Field(default="passed every gate; the policy asks a person", max_length=2000)
    decided_at: AwareDatetime | None = DecidedAt
    moved: tuple[AliasMove, ...] | None = Moved


class ModelVersionApprovalGiven(Event):
    """A person approved a version. With the last one that is needed, it is promoted."""

    subject: ClassVar[str] = "events.registry.version.approval_given.v1"

    version: VersionNumber
    approved_by: str
    reason: str
    missing: int = Field(ge=0, description="Other people who must approve yet.")
    decided_at: AwareDatetime


class PromotionKind(StrEnum):
    """How a version came to be champion."""

    GATES = "gates"
    APPROVAL = "approval"
    ROLLBACK = "rollback"
    WAIVER = "waiver"
    """A person answers for a version that was only logged."""


class ModelVersionPromoted(Event):
    """A version is champion; serving follows."""

    subject: ClassVar[str] = "events.registry.version.promoted.v1"

    version: VersionNumber
    previous_version: VersionNumber | None = None
    kind: PromotionKind
    promoted_by: str = Field(description="A person, or policy:auto.")
    reason: str
    run_id: UUID
    bundle_uri: Uri
    bundle_digest: Digest
    decided_at: AwareDatetime | None = DecidedAt
    moved: tuple[AliasMove, ...] | None = Moved


class ModelVersionDemoted(Event):
    """A version is champion no more, because serving rolled it back. Where another answers, that one is promoted."""

    subject: ClassVar[str] = "events.registry.version.demoted.v1"

    version: VersionNumber
    champion_version: VersionNumber | None = Field(default=None, description="Champion now; unset: none answers.")
    rollout_id: UUID
    demoted_by: str
    reason: str
    decided_at: AwareDatetime | None = DecidedAt
    moved: tuple[AliasMove, ...] | None = Moved


class ModelVersionRejected(Event):
    """A version will not be champion: a gate, its lineage or a person refused it."""

    subject: ClassVar[str] = "events.registry.version.rejected.v1"

    version: VersionNumber | None = Field(default=None, description="Unset if it was never registered.")
    run_id: UUID
    rejected_by: str = Field(description="A person, or gates, or verification.")
    reason: str = Field(max_length=2000)
    decided_at: AwareDatetime | None = DecidedAt
    moved: tuple[AliasMove, ...] | None = Moved


class ModelCommandRefused(Event):
    """A command about a model's versions broke a rule; nothing changed."""

    subject: ClassVar[str] = "events.registry.command.refused.v1"

    command: str = Field(description="Type of the command: its subject without the pipeline.")
    command_id: str = Field(max_length=256)
    requested_by: str
    version: VersionNumber | None = Field(default=None, description="The version it named, if it named one.")
    rule: str = Field(description="Slug of the rule it broke.")
    detail: str = Field(max_length=1000)
