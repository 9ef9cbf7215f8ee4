"""Keeps alerts, and has channels told of them. Every rule is applied with the pipeline held."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.alerts import Finding, ResolveAlert, SnoozeAlert
from contracts.message import Message
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause
from services.monitoring.alerts.domain import (
    ITSELF,
    Alert,
    Occasion,
    Relief,
    Standing,
    Succession,
    delivery_of,
    new_alert,
)
from services.monitoring.alerts.ports import Alerts, Deliveries, Routing


@dataclass(frozen=True, slots=True)
class Ledger:
    """Alerts and deliveries of one transaction."""

    alerts: Alerts
    deliveries: Deliveries
    routing: Routing

    async def find(self, finding: Finding, standing: Standing, cause: Cause) -> list[Message]:
        """Raise an alert, or count one more fact on the open one; nothing where the condition is over already."""
        relieved = await self.alerts.relieved_at(standing.pipeline, finding.kind, finding.about)
        if (relieved and relieved >= cause.said_at) or not standing.concerns(finding.version):
            return []
        severity = self.routing.severities.get(finding.kind, finding.severity)
        finding = finding.model_copy(update={"severity": severity})
        fact, trace, at = cause.message_id, _trace_of(cause), cause.said_at
        known = next((one for one in await self.alerts.open(standing.pipeline) if one.is_of(finding)), None)
        if known:
            alert = known.again(finding, fact_id=fact, trace_id=trace, at=at)
        else:
            alert = new_alert(standing.pipeline, finding, fact_id=fact, trace_id=trace, at=at)
        if alert.needs_telling(remind_after=self.routing.remind_after):
            await self.tell(alert, Occasion.REMINDED if known else Occasion.RAISED, at=cause.received_at)
        else:
            await self.alerts.save(alert)
        return [alert.as_raised()]

    async def relieve(self, relief: Relief, standing: Standing, cause: Cause) -> list[Message]:
        """End the alert of a condition that is over, and remember since when, for facts that come too late."""
        await self.alerts.relieve(standing.pipeline, relief, cause.said_at)
        ended = [
            one
            for one in await self.alerts.open(standing.pipeline)
            if one.is_of(relief) and one.last_at <= cause.said_at
        ]
        return await self._end_all(ended, relief.why, cause)

    async def succeed(self, succession: Succession, standing: Standing, cause: Cause) -> list[Message]:
        """End the alerts about versions that are champion no more."""
        standing = standing.succeeded(succession, cause.said_at)
        await self.alerts.stand(standing)
        ended = [one for one in await self.alerts.open(standing.pipeline) if not standing.concerns(one.finding.version)]
        return await self._end_all(ended, f"version {standing.champion} is champion", cause)

    async def resolve(self, command: ResolveAlert, *, now: datetime) -> Message:
        """Resolve an alert, because a person says so.

        Raises:
            RejectedError: There is no such alert, or it is over.
        """
        alert = await self._held(command)
        return await self._end(alert.resolved(by=command.resolved_by, reason=command.reason, at=now), at=now)

    async def snooze(self, command: SnoozeAlert, *, now: datetime) -> Message:
        """Snooze an alert, or change for how long.

        Raises:
            RejectedError: There is no such alert, or it is over, or the time is, or that is too far away.
        """
        alert = await self._held(command)
        sleeping = alert.snoozed(until=command.until, by=command.snoozed_by, reason=command.reason, now=now)
        await self.alerts.save(sleeping)
        return sleeping.as_snoozed()

    async def wake(self, slept: Alert, *, now: datetime) -> None:
        """Tell once more of an alert that is still open when its snooze ends."""
        await self.alerts.hold(slept.pipeline)
        alert = await self.alerts.get(slept.id)
        if alert and alert.is_open and alert.snoozed_until and alert.snoozed_until <= now:
            await self.tell(alert.woken(), Occasion.REMINDED, at=now)

    async def tell(self, alert: Alert, occasion: Occasion, *, at: datetime) -> None:
        """Save an alert, and tell the channels it goes to."""
        told = alert.told()
        await self.alerts.save(told)
        ways = [channel for channel, route in self.routing.routes.items() if route.takes(told)]
        await self.deliveries.add(delivery_of(told, channel, occasion, at=at) for channel in ways)

    async def _end_all(self, ended: Iterable[Alert], why: str, cause: Cause) -> list[Message]:
        over = [one.resolved(by=ITSELF, reason=why, at=cause.said_at) for one in ended]
        return [await self._end(one, at=cause.received_at) for one in over]

    async def _end(self, alert: Alert, *, at: datetime) -> Message:
        """Save that an alert is over, and tell the channels that know of it."""
        await self.alerts.save(alert)
        knowing = {delivery.channel for delivery in await self.deliveries.of(alert.id)}
        ways = [name for name, route in self.routing.routes.items() if name in knowing and route.tell_resolved]
        await self.deliveries.add(delivery_of(alert, channel, Occasion.RESOLVED, at=at) for channel in ways)
        return alert.as_resolved()

    async def _held(self, command: ResolveAlert | SnoozeAlert) -> Alert:
        await self.alerts.hold(command.pipeline)
        alert = await self.alerts.get(command.alert_id)
        if alert is None or alert.pipeline != command.pipeline:
            raise RejectedError("alert_not_found", alert_id=command.alert_id)
        return alert


def _trace_of(cause: Cause) -> str | None:
    return cause.traceparent.split("-")[1] if cause.traceparent else None
