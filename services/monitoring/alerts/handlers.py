"""What alerts do when they hear something: facts raise and end them, people snooze and resolve them."""

from typing import Literal

from contracts.alerts import AlertCommandRefused, Finding, ResolveAlert, SnoozeAlert
from contracts.message import Event, Message
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.monitoring.alerts import reading, versions, windows
from services.monitoring.alerts.domain import Relief, Succession
from services.monitoring.alerts.ledger import Ledger
from services.monitoring.alerts.ports import Alerts, Deliveries, Routing
from services.monitoring.alerts.reading import Reading

READINGS: dict[type[Event], Reading] = {**windows.READINGS, **reading.READINGS, **versions.READINGS}


async def on_fact(
    event: Event, alerts: Alerts, deliveries: Deliveries, routing: Routing, cause: Cause
) -> list[Message]:
    """Raise, count or end what the fact is about. Facts come in any order: each is heard by a consumer of its own."""
    ledger, said = Ledger(alerts, deliveries, routing), list[Message]()
    for effect in READINGS[type(event)](event, cause):
        standing = await alerts.hold(event.pipeline)
        match effect:
            case Finding():
                said += await ledger.find(effect, standing, cause)
            case Relief():
                said += await ledger.relieve(effect, standing, cause)
            case Succession():
                said += await ledger.succeed(effect, standing, cause)
    return said


async def resolve_alert(
    command: ResolveAlert, alerts: Alerts, deliveries: Deliveries, routing: Routing, cause: Cause
) -> list[Message]:
    """Resolve an alert, because a person says so."""
    try:
        return [await Ledger(alerts, deliveries, routing).resolve(command, now=cause.received_at)]
    except RejectedError as error:
        return [_refused(command, "resolve", command.resolved_by, error)]


async def snooze_alert(
    command: SnoozeAlert, alerts: Alerts, deliveries: Deliveries, routing: Routing, cause: Cause
) -> list[Message]:
    """Snooze an alert, because a person says so."""
    try:
        return [await Ledger(alerts, deliveries, routing).snooze(command, now=cause.received_at)]
    except RejectedError as error:
        return [_refused(command, "snooze", command.snoozed_by, error)]


def _refused(
    command: ResolveAlert | SnoozeAlert, wish: Literal["resolve", "snooze"], requested_by: str, error: RejectedError
) -> AlertCommandRefused:
    return AlertCommandRefused(
        pipeline=command.pipeline,
        alert_id=command.alert_id,
        command=wish,
        requested_by=requested_by,
        rule=error.slug,
        detail=str(error)[:1000],
    )


SUBSCRIPTIONS = (
    *(Subscription(event, on_fact) for event in READINGS),
    Subscription(ResolveAlert, resolve_alert),
    Subscription(SnoozeAlert, snooze_alert),
)
