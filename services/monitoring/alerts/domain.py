"""Alerts as conditions: raised by facts, counted while they last, resolved by a person or by the opposite fact."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import NAMESPACE_OID, UUID, uuid5

from contracts.alerts import (
    AlertKind,
    AlertNotice,
    AlertRaised,
    AlertResolved,
    AlertSnoozed,
    Finding,
)
from services.chassis.errors import RejectedError

ITSELF = "monitoring"
LONGEST_SNOOZE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Relief:
    """What a fact ends: the condition of a kind, about the same."""

    kind: AlertKind
    about: str
    why: str


@dataclass(frozen=True, slots=True)
class Succession:
    """Another version is champion: what was wrong with others alone is over."""

    champion: int


Effect = Finding | Relief | Succession


@dataclass(frozen=True, slots=True)
class Standing:
    """What must be known of a pipeline to judge facts that come in any order."""

    pipeline: str
    champion: int | None = None
    champion_since: datetime | None = None

    def succeeded(self, succession: Succession, at: datetime) -> "Standing":
        """Take note of a champion, unless a later one is known."""
        if self.champion_since and at < self.champion_since:
            return self
        return replace(self, champion=succession.champion, champion_since=at)

    def concerns(self, version: int | None) -> bool:
        """Tell whether what is wrong with a version still matters."""
        return version is None or self.champion is None or version == self.champion


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition, from the first fact that said so until it is over.

    Attributes:
        id: Follows from the message that raised it.
        pipeline: Whose.
        finding: As the latest fact put it; severity as configured.
        fact_id: The latest message that said so.
        trace_id: Its trace.
        first_at: When the first was said.
        last_at: When the latest was said.
        occurrences: How many said so.
        notices: How often channels were told.
        told_at: When they were told last, in the time of facts.
        snoozed_until: Nobody is told before.
        snoozed_by: Who said so.
        snooze_reason: Why.
        resolved_at: When it was over; unset: it is open.
        resolved_by: Who said so.
        resolved_reason: Why.
    """

    id: UUID
    pipeline: str
    finding: Finding
    fact_id: str
    trace_id: str | None
    first_at: datetime
    last_at: datetime
    occurrences: int = 1
    notices: int = 0
    told_at: datetime | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    snooze_reason: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolved_reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it is not over."""
        return self.resolved_at is None

    def is_of(self, finding: Finding | Relief) -> bool:
        """Tell whether it is this condition."""
        return (self.finding.kind, self.finding.about) == (finding.kind, finding.about)

    def again(self, finding: Finding, *, fact_id: str, trace_id: str | None, at: datetime) -> "Alert":
        """Count one more fact. One that was said before the latest changes no words."""
        counted = replace(self, occurrences=self.occurrences + 1, first_at=min(self.first_at, at))
        if at < self.last_at:
            return counted
        since = min(self.finding.since, finding.since)
        worded = finding.model_copy(update={"since": since})
        return replace(counted, finding=worded, fact_id=fact_id, trace_id=trace_id, last_at=at)

    def needs_telling(self, *, remind_after: timedelta) -> bool:
        """Tell whether channels are to be told of the latest fact."""
        return self.snoozed_until is None and (self.told_at is None or self.last_at - self.told_at >= remind_after)

    def told(self) -> "Alert":
        """Note that channels are told of the latest fact."""
        return replace(self, notices=self.notices + 1, told_at=self.last_at)

    def snoozed(self, *, until: datetime, by: str, reason: str, now: datetime) -> "Alert":
        """Have nobody told for a while.

        Raises:
            RejectedError: It is over, or the time is, or that is more than a year away.
        """
        self._refuse_if_over()
        _refuse_nul(by=by, reason=reason)
        if until <= now:
            raise RejectedError("snooze_is_over", until=until.isoformat(), field="until")
        if until - now > LONGEST_SNOOZE:
            raise RejectedError("snooze_too_long", until=until.isoformat(), longest=LONGEST_SNOOZE, field="until")
        return replace(self, snoozed_until=until, snoozed_by=by, snooze_reason=reason)

    def woken(self) -> "Alert":
        """End the snooze."""
        return replace(self, snoozed_until=None, snoozed_by=None, snooze_reason=None)

    def resolved(self, *, by: str, reason: str, at: datetime) -> "Alert":
        """Say that it is over.

        Raises:
            RejectedError: It already is.
        """
        self._refuse_if_over()
        _refuse_nul(by=by, reason=reason)
        return replace(self.woken(), resolved_at=at, resolved_by=by, resolved_reason=reason)

    def _refuse_if_over(self) -> None:
        if not self.is_open:
            raise RejectedError("alert_is_over", alert_id=self.id, resolved_by=self.resolved_by)

    def as_raised(self) -> AlertRaised:
        """Say that it was raised, or once more."""
        return AlertRaised(
            pipeline=self.pipeline,
            alert_id=self.id,
            finding=self.finding,
            occurrences=self.occurrences,
            first_at=self.first_at,
            raised_by=self.fact_id,
        )

    def as_resolved(self) -> AlertResolved:
        """Say that it is over."""
        assert self.resolved_by
        assert self.resolved_reason
        return AlertResolved(
            pipeline=self.pipeline,
            alert_id=self.id,
            kind=self.finding.kind,
            about=self.finding.about,
            resolved_by=self.resolved_by,
            reason=self.resolved_reason,
            occurrences=self.occurrences,
            first_at=self.first_at,
        )

    def as_snoozed(self) -> AlertSnoozed:
        """Say that nobody is told for a while."""
        assert self.snoozed_until
        assert self.snoozed_by
        assert self.snooze_reason
        return AlertSnoozed(
            pipeline=self.pipeline,
            alert_id=self.id,
            kind=self.finding.kind,
            about=self.finding.about,
            until=self.snoozed_until,
            snoozed_by=self.snoozed_by,
            reason=self.snooze_reason,
        )

    def notice(self) -> AlertNotice:
        """Write what channels are told."""
        return AlertNotice(
            **self.finding.model_dump(),
            alert_id=self.id,
            pipeline=self.pipeline,
            occurrences=self.occurrences,
            first_at=self.first_at,
            last_at=self.last_at,
            trace_id=self.trace_id,
            resolved_by=self.resolved_by,
            resolved_reason=self.resolved_reason,
        )


def _refuse_nul(**texts: str) -> None:
    """Refuse what PostgreSQL keeps no text with."""
    for name, text in texts.items():
        if "\0" in text:
            raise RejectedError("text_has_nul", field=name)


def new_alert(pipeline: str, finding: Finding, *, fact_id: str, trace_id: str | None, at: datetime) -> Alert:
    """Raise an alert; heard again, the same fact raises the same one."""
    return Alert(uuid5(NAMESPACE_OID, f"alert:{fact_id}"), pipeline, finding, fact_id, trace_id, at, at)


class Occasion(StrEnum):
    """Why channels are told; part of a webhook's type."""

    RAISED = "raised"
    REMINDED = "reminded"
    RESOLVED = "resolved"


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    STALE = "stale"
    """The fact was old news when its turn came first; nobody is woken for it."""
    DEAD = "dead"
    """Given up."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one channel. Its id stays the same however often it is sent."""

    id: UUID
    alert_id: UUID
    channel: str
    occasion: Occasion
    notice: AlertNotice
    next_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    detail: str = ""

    def tried(self, *, now: datetime, retry: "Retry", detail: str | None) -> "Delivery":
        """Note what a try came to.

        Args:
            now: The time.
            retry: When to try again, and how often.
            detail: What it met; None: it was taken.
        """
        attempts = self.attempts + 1
        if detail is None:
            return replace(self, state=DeliveryState.DELIVERED, attempts=attempts, detail="")
        if attempts >= retry.attempts:
            return replace(self, state=DeliveryState.DEAD, attempts=attempts, detail=detail)
        return replace(self, attempts=attempts, detail=detail, next_at=now + retry.delay(attempts))


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient a delivery is."""

    attempts: int
    first: timedelta
    longest: timedelta

    def delay(self, attempts: int) -> timedelta:
        """Say how long to wait after so many tries; doubles."""
        doubled: timedelta = self.first * 2 ** min(attempts - 1, 20)
        return min(self.longest, doubled)


def delivery_of(alert: Alert, channel: str, occasion: Occasion, *, at: datetime) -> Delivery:
    """Put the alert as it is now on its way to a channel."""
    identity = uuid5(alert.id, f"{channel}:{occasion}:{alert.notices}")
    return Delivery(identity, alert.id, channel, occasion, alert.notice(), next_at=at)
