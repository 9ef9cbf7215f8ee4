"""What is said by the serving service and its replicas."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.message import Command, Event
from contracts.model import Contract, Digest, VersionNumber

Person = Field(min_length=1, max_length=200, description="Who says so; recorded for good.")
Reason = Field(min_length=1, max_length=1000, description="Why; recorded for good.")
Whose = Field(default=None, description="Unset: the one under way.")


class PauseRollout(Command):
    """Let a rollout stay in its step. It can still be rolled back, by a person or by its guard."""

    subject: ClassVar[str] = "commands.serving.rollout.pause.v1"

    rollout_id: UUID | None = Whose
    requested_by: str = Person
    reason: str = Reason


class ResumeRollout(Command):
    """Let a paused rollout go on."""

    subject: ClassVar[str] = "commands.serving.rollout.resume.v1"

    rollout_id: UUID | None = Whose
    requested_by: str = Person
    reason: str = Reason


class PromoteRollout(Command):
    """Skip what is left of a rollout's steps and of its bake time. Loading and verifying can't be skipped."""

    subject: ClassVar[str] = "commands.serving.rollout.promote.v1"

    rollout_id: UUID | None = Whose
    requested_by: str = Person
    reason: str = Reason


class AbortRollout(Command):
    """Roll a rollout back; the version before it answers everything again."""

    subject: ClassVar[str] = "commands.serving.rollout.abort.v1"

    rollout_id: UUID | None = Whose
    requested_by: str = Person
    reason: str = Reason


class RolloutCommandRefused(Event):
    """A command about a rollout broke a rule; nothing changed."""

    subject: ClassVar[str] = "events.serving.command.refused.v1"

    command: str = Field(description="Type of the command: its subject without the pipeline.")
    command_id: str = Field(max_length=256)
    requested_by: str
    rollout_id: UUID | None = Field(default=None, description="The rollout it meant, where there was one.")
    rule: str = Field(description="Slug of the rule it broke.")
    detail: str = Field(max_length=1000)


class RolloutStarted(Event):
    """Replicas are loading a promoted version beside the one that answers."""

    subject: ClassVar[str] = "events.serving.rollout.started.v1"

    rollout_id: UUID
    version: VersionNumber
    previous_version: VersionNumber | None = None


class RolloutCompleted(Event):
    """Every replica answers with the version; its golden requests passed before any traffic."""

    subject: ClassVar[str] = "events.serving.rollout.completed.v1"

    rollout_id: UUID
    version: VersionNumber
    previous_version: VersionNumber | None = None
    bundle_uri: str
    bundle_digest: Digest
    url: str = Field(description="Base URL of the model under the Open Inference Protocol.")
    replicas: int = Field(ge=1)
    duration_s: float = Field(ge=0)


class RolloutStepped(Event):
    """A candidate reached a step of its plan, and from now on is asked that share of the requests."""

    subject: ClassVar[str] = "events.serving.rollout.stepped.v1"

    rollout_id: UUID
    version: VersionNumber
    previous_version: VersionNumber | None = Field(default=None, description="The version it is held against.")
    step: int = Field(ge=0, description="Counts from 0; the bake after all traffic is the last.")
    steps: int = Field(ge=1, description="How many there are, the bake included.")
    kind: Literal["shadow", "canary", "bake"]
    share: float = Field(gt=0, le=1, description="Of the requests the candidate is asked.")
    bake: timedelta = Field(description="Least time in this step.")
    bundle_uri: str
    bundle_digest: Digest


class RolloutPaused(Event):
    """A rollout stays in its step until a person says otherwise, or its guard rolls it back."""

    subject: ClassVar[str] = "events.serving.rollout.paused.v1"

    rollout_id: UUID
    version: VersionNumber
    paused_by: str
    reason: str = Field(max_length=2000)


class RolloutResumed(Event):
    """A paused rollout goes on."""

    subject: ClassVar[str] = "events.serving.rollout.resumed.v1"

    rollout_id: UUID
    version: VersionNumber
    resumed_by: str
    reason: str = Field(max_length=2000)


class RolloutHastened(Event):
    """A person skipped what was left of a rollout's steps and bake time."""

    subject: ClassVar[str] = "events.serving.rollout.hastened.v1"

    rollout_id: UUID
    version: VersionNumber
    hastened_by: str
    reason: str = Field(max_length=2000)


class GuardTest(StrEnum):
    """What a candidate is tested for, against the version that answers."""

    ERRORS = "errors"
    SLOW = "slow"
    SHIFT = "shift"
    FAILING = "failing"
    """Against a fixed bound: it fails too often, whatever the champion does."""


class GuardVerdict(Contract):
    """What one sequential test says of a candidate, all steps so far together."""

    test: GuardTest
    failed: bool
    statistic: float = Field(description="Natural logarithm of the evidence (e-value) that the candidate is too bad.")
    threshold: float = Field(description="The logarithm it must reach; fixed by the stated false rollback rate.")
    candidate: float = Field(description="Rate, or distance of the score distributions, as it was seen.")
    champion: float | None = Field(default=None, description="The same of the champion; unset for a distance.")
    candidate_requests: int = Field(ge=0)
    champion_requests: int = Field(ge=0)
    explanation: str = Field(max_length=500)


class RolloutRolledBack(Event):
    """A version did not pass; the one before it goes on answering, or answers everything again."""

    subject: ClassVar[str] = "events.serving.rollout.rolled_back.v1"

    rollout_id: UUID
    version: VersionNumber
    serving_version: VersionNumber | None = Field(default=None, description="The version that answers now.")
    reason: str = Field(max_length=2000)
    step: int | None = Field(default=None, ge=0, description="The step it had reached; unset: none.")
    superseded: bool = Field(default=False, description="Nothing was wrong with it: a newer promotion took its place.")
    promoted_at: AwareDatetime | None = Field(default=None, description="When the promotion was said that began it.")
    verdicts: tuple[GuardVerdict, ...] = Field(default=(), description="Of every test, where the version was asked.")


class DeploymentDiverged(Event):
    """Replicas have not been what is desired of them for a while. Said once, until they are again."""

    subject: ClassVar[str] = "events.serving.deployment.diverged.v1"

    since: AwareDatetime
    differences: tuple[str, ...] = Field(min_length=1, max_length=100, description="What differs, a sentence each.")


class DeploymentConverged(Event):
    """Replicas are again what is desired of them."""

    subject: ClassVar[str] = "events.serving.deployment.converged.v1"

    diverged_since: AwareDatetime
    duration_s: float = Field(ge=0)


class PredictionBatch(Contract):
    """Rows answered by one version, column by column; all lists have one entry per row."""

    version: VersionNumber
    prediction_ids: tuple[str, ...] = Field(min_length=1, max_length=2000)
    event_times: tuple[AwareDatetime, ...]
    served_at: AwareDatetime
    inputs: dict[str, tuple[bool | int | float | str | None, ...]] = Field(description="Features as they were asked.")
    scores: tuple[float, ...] = Field(description="Probability of the positive class, or the predicted value.")
    traceparent: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = {len(self.prediction_ids), len(self.event_times), len(self.scores)}
        if lengths | {len(column) for column in self.inputs.values()} != {len(self.prediction_ids)}:
            raise ValueError("the lists of a batch differ in length")
        return self


class PredictionsServed(Event):
    """Predictions were answered. Said by replicas in batches, without an outbox: the answer comes first."""

    subject: ClassVar[str] = "events.serving.prediction.served.v1"

    replica: str
    batches: tuple[PredictionBatch, ...] = Field(min_length=1)
