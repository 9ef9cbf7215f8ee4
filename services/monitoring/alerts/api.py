"""Alerts over HTTP: what is open and was, and a person's word on it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from contracts.alerts import AlertNotice, Person, Reason, ResolveAlert, SnoozeAlert
from contracts.message import utc_now
from contracts.model import Contract, PipelineName
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.monitoring.alerts.domain import Alert, Delivery, DeliveryState, Occasion
from services.monitoring.alerts.ledger import Ledger
from services.monitoring.alerts.ports import Alerts, Deliveries, Routing

router = APIRouter(tags=["alerts"])


class AlertView(AlertNotice):
    """An alert as it stands."""

    is_open: bool
    snoozed_until: datetime | None
    snoozed_by: str | None
    snooze_reason: str | None
    resolved_at: datetime | None
    fact_id: str

    @classmethod
    def of(cls, alert: Alert) -> "AlertView":
        """Show an alert."""
        return cls(
            **alert.notice().model_dump(),
            is_open=alert.is_open,
            snoozed_until=alert.snoozed_until,
            snoozed_by=alert.snoozed_by,
            snooze_reason=alert.snooze_reason,
            resolved_at=alert.resolved_at,
            fact_id=alert.fact_id,
        )


class DeliveryView(Contract):
    """A notice on its way to a channel."""

    id: UUID
    channel: str
    occasion: Occasion
    state: DeliveryState
    attempts: int
    detail: str
    next_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryView":
        """Show a delivery."""
        waiting = delivery.state is DeliveryState.WAITING
        return cls(
            id=delivery.id,
            channel=delivery.channel,
            occasion=delivery.occasion,
            state=delivery.state,
            attempts=delivery.attempts,
            detail=delivery.detail,
            next_at=delivery.next_at if waiting else None,
        )


class WholeAlertView(AlertView):
    """An alert with what became of its notices."""

    deliveries: tuple[DeliveryView, ...]


class Verdict(Contract):
    """A person's word on an alert."""

    by: str = Person
    reason: str = Reason


class SnoozeBody(Verdict):
    """A person's wish not to hear of an alert for a while."""

    until: AwareDatetime


@router.get("/alerts")
async def list_alerts(
    tx: Tx,
    pipeline: PipelineName | None = None,
    resolved: Annotated[bool, Query(description="Resolved ones, too.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[AlertView]:
    """List alerts, those first that were heard of last."""
    found = await tx.port(Alerts).newest(pipeline=pipeline, only_open=not resolved, limit=limit)
    return [AlertView.of(alert) for alert in found]


@router.get("/alerts/{alert_id}")
async def get_alert(alert_id: UUID, tx: Tx) -> WholeAlertView:
    """Show an alert, and who was told of it."""
    alert = await _found(alert_id, tx)
    deliveries = await tx.port(Deliveries).of(alert_id)
    return WholeAlertView(
        **AlertView.of(alert).model_dump(), deliveries=tuple(DeliveryView.of(one) for one in deliveries)
    )


@router.post("/alerts/{alert_id}/resolve")
async def resolve_alert(alert_id: UUID, body: Verdict, tx: Tx) -> AlertView:
    """Say that an alert is over."""
    alert = await _found(alert_id, tx)
    command = ResolveAlert(pipeline=alert.pipeline, alert_id=alert_id, resolved_by=body.by, reason=body.reason)
    tx.say(await _ledger(tx).resolve(command, now=utc_now()))
    return AlertView.of(await _found(alert_id, tx))


@router.post("/alerts/{alert_id}/snooze")
async def snooze_alert(alert_id: UUID, body: SnoozeBody, tx: Tx) -> AlertView:
    """Tell nobody of an alert for a while."""
    alert = await _found(alert_id, tx)
    command = SnoozeAlert(
        pipeline=alert.pipeline, alert_id=alert_id, until=body.until, snoozed_by=body.by, reason=body.reason
    )
    tx.say(await _ledger(tx).snooze(command, now=utc_now()))
    return AlertView.of(await _found(alert_id, tx))


def _ledger(tx: Tx) -> Ledger:
    return Ledger(tx.port(Alerts), tx.port(Deliveries), tx.port(Routing))


async def _found(alert_id: UUID, tx: Tx) -> Alert:
    alert = await tx.port(Alerts).get(alert_id)
    if alert is None:
        raise RejectedError("alert_not_found", alert_id=alert_id)
    return alert
