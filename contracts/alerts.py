"""What is said about alerts: conditions that a person should know of, until they are over."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event
from contracts.model import Contract, PipelineName, VersionNumber

Person = Field(min_length=1, max_length=200, description="Who says so; recorded for good.")
Reason = Field(min_length=1, max_length=1000, description="Why; recorded for good.")


class Severity(StrEnum):
    """How soon a person should look, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Place among the others, from 0."""
        return tuple(Severity).index(self)


class AlertKind(StrEnum):
    """What is the matter."""

    QUALITY_DEGRADED = "quality_degraded"
    DATA_BROKEN = "data_broken"
    INPUT_DRIFT = "input_drift"
    PREDICTION_DRIFT = "prediction_drift"
    ROLLOUT_ROLLED_BACK = "rollout_rolled_back"
    ROLLOUT_PAUSED = "rollout_paused"
    DEPLOYMENT_DIVERGED = "deployment_diverged"
    RETRAINING_ESCALATED = "retraining_escalated"
    RETRAINING_DUE = "retraining_due"
    TRAINING_FAILED = "training_failed"
    RUN_AWAITS_APPROVAL = "run_awaits_approval"
    VERSION_AWAITS_APPROVAL = "version_awaits_approval"
    VERSION_REJECTED = "version_rejected"
    DATASET_REJECTED = "dataset_rejected"
    PRECOMPUTATION_FAILED = "precomputation_failed"


class Finding(Contract):
    """What a person needs to know of an alert, in words."""

    kind: AlertKind
    about: str = Field(max_length=100, description="What it is about, within the pipeline; one alert is open for each.")
    severity: Severity
    title: str = Field(max_length=300, description="What happened.")
    since: AwareDatetime = Field(description="Since when it is so, in the time of what it was seen in.")
    certainty: str = Field(max_length=1000, description="How sure: rate, statistic, sizes; or who said so.")
    action: str = Field(max_length=500, description="What to do.")
    command: str = Field(max_length=300, description="The command to type.")
    version: VersionNumber | None = Field(default=None, description="Set: it is over once another is champion.")


class AlertNotice(Finding):
    """An alert as channels are told of it: the data of a webhook's body."""

    alert_id: UUID
    pipeline: PipelineName
    occurrences: int = Field(ge=1, description="Facts that said so.")
    first_at: AwareDatetime
    last_at: AwareDatetime
    trace_id: str | None = Field(default=None, description="For `everloop trace`, of the latest fact.")
    resolved_by: str | None = Field(default=None, description="Set once it is over.")
    resolved_reason: str | None = None


class ResolveAlert(Command):
    """Say that an alert is over."""

    subject: ClassVar[str] = "commands.monitoring.alert.resolve.v1"

    alert_id: UUID
    resolved_by: str = Person
    reason: str = Reason


class SnoozeAlert(Command):
    """Tell nobody of an alert for a while. Still open then, it is told again."""

    subject: ClassVar[str] = "commands.monitoring.alert.snooze.v1"

    alert_id: UUID
    until: AwareDatetime
    snoozed_by: str = Person
    reason: str = Reason


class AlertRaised(Event):
    """A condition was seen, for the first time or again while its alert is open."""

    subject: ClassVar[str] = "events.monitoring.alert.raised.v1"

    alert_id: UUID
    finding: Finding
    occurrences: int = Field(ge=1, description="1: the alert is new.")
    first_at: AwareDatetime
    raised_by: str = Field(max_length=256, description="Id of the message that said so.")


class AlertResolved(Event):
    """An alert is over."""

    subject: ClassVar[str] = "events.monitoring.alert.resolved.v1"

    alert_id: UUID
    kind: AlertKind
    about: str
    resolved_by: str = Field(description="A person, or monitoring where a fact says the opposite.")
    reason: str = Field(max_length=1000)
    occurrences: int = Field(ge=1)
    first_at: AwareDatetime


class AlertSnoozed(Event):
    """Nobody is told of an alert for a while."""

    subject: ClassVar[str] = "events.monitoring.alert.snoozed.v1"

    alert_id: UUID
    kind: AlertKind
    about: str
    until: AwareDatetime
    snoozed_by: str
    reason: str = Field(max_length=1000)


class AlertUndelivered(Event):
    """A channel did not take an alert, however often it was tried."""

    subject: ClassVar[str] = "events.monitoring.alert.undelivered.v1"

    alert_id: UUID
    delivery_id: UUID
    channel: str
    attempts: int = Field(ge=0)
    detail: str = Field(max_length=300, description="What the last try met.")


class AlertCommandRefused(Event):
    """A command about an alert broke a rule; nothing changed."""

    subject: ClassVar[str] = "events.monitoring.alert.command_refused.v1"

    alert_id: UUID
    command: Literal["resolve", "snooze"]
    requested_by: str
    rule: str = Field(description="Slug of the rule it broke.")
    detail: str = Field(max_length=1000)
