"""Alerts and deliveries in memory, and a desk that hears facts about them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.alerts import AlertKind
from contracts.message import Message
from services.chassis.subscriptions import Cause
from services.monitoring.alerts.domain import Alert, Delivery, DeliveryState, Relief, Standing
from services.monitoring.alerts.handlers import SUBSCRIPTIONS
from services.monitoring.alerts.ports import Alerts, Deliveries, Route, Routing
from tests.fakes.work import InMemoryWork

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class InMemoryAlerts:
    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}
        self._reliefs: dict[tuple[str, AlertKind, str], datetime] = {}
        self._alerts: dict[UUID, Alert] = {}

    async def hold(self, pipeline: str) -> Standing:
        return self._standings.setdefault(pipeline, Standing(pipeline))

    async def stand(self, standing: Standing) -> None:
        self._standings[standing.pipeline] = standing

    async def relieve(self, pipeline: str, relief: Relief, at: datetime) -> None:
        key = (pipeline, relief.kind, relief.about)
        self._reliefs[key] = max(self._reliefs.get(key, at), at)

    async def relieved_at(self, pipeline: str, kind: AlertKind, about: str) -> datetime | None:
        return self._reliefs.get((pipeline, kind, about))

    async def open(self, pipeline: str) -> list[Alert]:
        found = [one for one in self._alerts.values() if one.is_open and one.pipeline == pipeline]
        return sorted(found, key=lambda one: str(one.id))

    async def get(self, alert_id: UUID) -> Alert | None:
        return self._alerts.get(alert_id)

    async def save(self, alert: Alert) -> None:
        others = [one for one in await self.open(alert.pipeline) if one.id != alert.id]
        if alert.is_open and any(one.is_of(alert.finding) for one in others):
            raise ValueError("not unique")
        self._alerts[alert.id] = alert

    async def newest(self, *, pipeline: str | None, only_open: bool, limit: int) -> list[Alert]:
        found = [
            one for one in self._alerts.values() if pipeline in (None, one.pipeline) and (one.is_open or not only_open)
        ]
        return sorted(found, key=lambda one: (-one.last_at.timestamp(), str(one.id)))[:limit]

    async def waking(self, now: datetime) -> list[Alert]:
        return [one for one in self._alerts.values() if one.snoozed_until and one.snoozed_until <= now]


class InMemoryDeliveries:
    def __init__(self) -> None:
        self._deliveries: dict[UUID, Delivery] = {}

    async def add(self, deliveries: Iterable[Delivery]) -> None:
        for one in deliveries:
            self._deliveries.setdefault(one.id, one)

    async def save(self, delivery: Delivery) -> None:
        self._deliveries[delivery.id] = delivery

    async def due(self, now: datetime) -> set[str]:
        return {one.channel for one in self._due(now)}

    async def next(self, channel: str, now: datetime, *, limit: int) -> list[Delivery]:
        return [one for one in self._due(now) if one.channel == channel][:limit]

    async def of(self, alert_id: UUID) -> list[Delivery]:
        return [one for one in self._deliveries.values() if one.alert_id == alert_id]

    def _due(self, now: datetime) -> list[Delivery]:
        waiting = [one for one in self._deliveries.values() if one.state is DeliveryState.WAITING]
        return [one for one in waiting if one.next_at <= now]


class Desk:
    """Hears facts as monitoring does, and tells what became of alerts."""

    def __init__(self, **routes: Route) -> None:
        self.routing = Routing(routes)
        self.alerts, self.deliveries = InMemoryAlerts(), InMemoryDeliveries()
        self._heard = 0

    @property
    def work(self) -> InMemoryWork:
        """The same ports for reconcilers."""
        return InMemoryWork({Alerts: self.alerts, Deliveries: self.deliveries})

    @property
    def ports(self) -> dict[type, Any]:
        return {Alerts: self.alerts, Deliveries: self.deliveries, Routing: self.routing}

    async def hear(self, message: Message, *, at: datetime = NOON, message_id: str | None = None) -> list[Message]:
        self._heard += 1
        message_id = message_id or f"m-{self._heard}"
        known = {**self.ports, Cause: Cause(message_id, message_id, at, at, f"00-{TRACE}-00f067aa0ba902b7-01")}
        subscription = next(one for one in SUBSCRIPTIONS if one.message is type(message))
        return await subscription.handler(message, **{name: known[port] for name, port in subscription.ports.items()})

    async def open(self) -> list[Alert]:
        return await self.alerts.newest(pipeline=None, only_open=True, limit=100)

    async def notices(self) -> list[tuple[str, str]]:
        """List channel and occasion of everything that channels are told."""
        everything = await self.alerts.newest(pipeline=None, only_open=False, limit=100)
        told = [one for alert in everything for one in await self.deliveries.of(alert.id)]
        return [(one.channel, one.occasion.value) for one in told]
