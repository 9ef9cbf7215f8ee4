"""What is said to and by the training service."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event
from contracts.model import Contract, Digest, Scalar, Uri, VersionNumber
from contracts.pipeline import PipelineDefinition, TriggerKind


class Cause(Contract):
    """Why a run exists."""

    kind: TriggerKind
    message_id: str = Field(max_length=256, description="Id of the message that asked for it.")
    as_of: AwareDatetime | None = Field(default=None, description="Time of the data at which the cause arose.")
    reason: str = Field(default="", max_length=1000)


class CodeSnapshot(Contract):
    """The code a run executes, kept for good."""

    uri: Uri = Field(description="A zip of the pipeline's folder and of the jobs that run it.")
    digest: Digest
    commit: str | None = Field(default=None, description="Git commit of the working copy, if there was one.")
    modified: bool = Field(default=False, description="Whether the working copy differed from the commit.")


class RegisterPipeline(Command):
    """Make a pipeline known, or change it."""

    subject: ClassVar[str] = "commands.training.pipeline.register.v1"

    definition: PipelineDefinition
    code: CodeSnapshot


class PipelineRegistered(Event):
    """A pipeline is known; from now on this definition and this code are in force."""

    subject: ClassVar[str] = "events.training.pipeline.registered.v1"

    definition: PipelineDefinition
    code: CodeSnapshot


class StartTrainingRun(Command):
    """Train now, because a person says so."""

    subject: ClassVar[str] = "commands.training.run.start.v1"

    reason: str = Field(default="asked by a person", max_length=1000)
    requested_by: str = Field(default="unknown", max_length=200)
    dataset_version: VersionNumber | None = Field(default=None, description="Unset: the newest.")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="Override the trainer's parameters.")
    seed: int | None = Field(default=None, ge=0, lt=2**31, description="Unset: the pipeline's.")


class ApproveTrainingRun(Command):
    """Let a run begin that waits for a person."""

    subject: ClassVar[str] = "commands.training.run.approve.v1"

    run_id: UUID
    approved_by: str = Field(min_length=1, max_length=200)


class CancelTrainingRun(Command):
    """Stop a run, or refuse one that waits for a person."""

    subject: ClassVar[str] = "commands.training.run.cancel.v1"

    run_id: UUID
    requested_by: str = Field(default="unknown", max_length=200)


class TrainingRunAwaitingApproval(Event):
    """A trigger asks for a run, and its policy asks a person first."""

    subject: ClassVar[str] = "events.training.run.awaiting_approval.v1"

    run_id: UUID
    cause: Cause
    dataset_version: VersionNumber


class TrainingRunStarted(Event):
    """A run was submitted to the cluster, for the first time or again."""

    subject: ClassVar[str] = "events.training.run.started.v1"

    run_id: UUID
    attempt: int = Field(ge=1)
    cause: Cause
    dataset_version: VersionNumber
    dataset_digest: Digest
    code_digest: Digest
    champion_version: VersionNumber | None = Field(default=None, description="Whom the candidate is compared with.")
    dataset_uri: Uri | None = Field(default=None, description="Table of the dataset's versions.")
    commit: str | None = Field(default=None, description="Git commit of the code, if there was one.")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="The trainer's, overrides applied.")
    seed: int | None = None


class TrainingRunProgressed(Event):
    """A run reached a new stage or a further step of it."""

    subject: ClassVar[str] = "events.training.run.progressed.v1"

    run_id: UUID
    stage: str = Field(max_length=100)
    fraction: float = Field(ge=0, le=1, description="Of the whole run, estimated.")
    metrics: dict[str, float] = Field(default_factory=dict)


class TrainingRunSucceeded(Event):
    """A run finished; its report and its bundle are in the store."""

    subject: ClassVar[str] = "events.training.run.succeeded.v1"

    run_id: UUID
    report_uri: Uri
    report_digest: Digest
    bundle_uri: Uri
    bundle_digest: Digest
    dataset_version: VersionNumber
    metrics: dict[str, float] = Field(description="The candidate's, on the held-out data.")
    duration_s: float = Field(ge=0, description="From the first submission, waiting included.")


class FailureReason(StrEnum):
    """Why a run ended without a model."""

    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class TrainingRunFailed(Event):
    """A run ended without a model, all its attempts used."""

    subject: ClassVar[str] = "events.training.run.failed.v1"

    run_id: UUID
    reason: FailureReason
    detail: str = Field(default="", max_length=4000, description="Last words of the job.")
    attempts: int = Field(ge=0)


class SkipReason(StrEnum):
    """Why a cause led to no run of its own."""

    COOLDOWN = "cooldown"
    DUPLICATE = "duplicate"
    POLICY = "policy"
    NO_NEW_DATA = "no_new_data"
    NO_DATA = "no_data"
    BACKOFF = "backoff"
    BUDGET = "budget"


class TrainingRunSkipped(Event):
    """A cause was heard and led to no run of its own."""

    subject: ClassVar[str] = "events.training.run.skipped.v1"

    cause: Cause
    reason: SkipReason
    run_id: UUID | None = Field(default=None, description="For a duplicate: the run that already answers it.")
    detail: str = Field(default="", max_length=1000)
    waits: bool = Field(default=False, description="Whether it is decided again by itself.")
    waits_until: AwareDatetime | None = Field(default=None, description="For a budget: when there is one again.")
    waits_for_data_of: AwareDatetime | None = Field(
        default=None, description="For a backoff: the time of the data that must be reached."
    )


class RefusedRetraining(Contract):
    """An automatic run that led to no better model."""

    run_id: UUID
    kind: TriggerKind
    version: VersionNumber | None = Field(default=None, description="Its candidate; unset if never registered.")
    refused_by: str = Field(max_length=200, description="gates, verification, or serving, which rolled it back.")
    reason: str = Field(max_length=2000)
    refused_at: AwareDatetime


class RetrainingEscalated(Event):
    """Quality is lost, and training again does not bring it back: a person must look.

    Told again only where a promotion, a person's run or a change of the pipeline was followed by as many refusals.
    """

    subject: ClassVar[str] = "events.training.retraining.escalated.v1"

    champion_version: VersionNumber | None = None
    degraded_version: VersionNumber = Field(description="The version whose quality is lost.")
    degraded_since: AwareDatetime = Field(description="End of the first degraded window since it was promoted.")
    quality: str = Field(max_length=1000, description="The latest loss, in words.")
    refused: int = Field(ge=1, description="Automatic runs in a row that led to no better model.")
    refusals: tuple[RefusedRetraining, ...] = Field(min_length=1, max_length=20, description="Newest first.")
