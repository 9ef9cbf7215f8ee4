"""Works off the notices that wait. Killed anywhere, it sends again what it may have sent, under the same id."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.alerts import AlertUndelivered
from contracts.message import utc_now
from services.chassis.logs import Log
from services.chassis.work import Work
from services.monitoring.alerts.channels import Email, Slack, Webhook
from services.monitoring.alerts.domain import Delivery, DeliveryState, Retry
from services.monitoring.alerts.ledger import Ledger
from services.monitoring.alerts.ports import Alerts, Deliveries, Routing
from services.monitoring.alerts.sending import UndeliveredError, send

AT_ONCE = 20
NO_CHANNEL = Retry(attempts=1, first=timedelta(0), longest=timedelta(0))

log = Log(__name__)


class Courier:
    """Sends notices, each channel at its own pace.

    Args:
        channels: By name.
        routing: Who is told when a snooze ends.
        retry: How patient it is.
        stale_after: What first comes to be sent so long after it was said is not: a service that hears the past
            for the first time wakes nobody for it.
        clock: Tells the time.
    """

    def __init__(
        self,
        channels: Mapping[str, Webhook | Slack | Email],
        routing: Routing,
        retry: Retry,
        *,
        stale_after: timedelta,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._channels = channels
        self._routing = routing
        self._retry = retry
        self._stale_after = stale_after
        self._clock = clock

    async def step(self, work: Work) -> None:
        """End snoozes, and send what is due."""
        now = self._clock()
        async with work.transaction(write=False) as tx:
            waking = await tx.port(Alerts).waking(now)
            due = await tx.port(Deliveries).due(now)
        for alert in waking:
            async with work.transaction() as tx:
                await Ledger(tx.port(Alerts), tx.port(Deliveries), self._routing).wake(alert, now=now)
        async with asyncio.TaskGroup() as tasks:
            for name in sorted(due):
                tasks.create_task(self._serve(name, work))

    async def _serve(self, name: str, work: Work) -> None:
        """Send what is due to one channel; after a failure the rest waits, since it would fail as well."""
        async with work.transaction(write=False) as tx:
            waiting = await tx.port(Deliveries).next(name, self._clock(), limit=AT_ONCE)
        for delivery in waiting:
            tried = await self._try(name, delivery)
            async with work.transaction() as tx:
                await tx.port(Deliveries).save(tried)
                if tried.state is DeliveryState.DEAD:
                    tx.say(_undelivered(tried))
            if tried.detail:
                log.warning(
                    "alert not delivered",
                    channel=name,
                    alert_id=str(tried.alert_id),
                    state=tried.state.value,
                    attempts=tried.attempts,
                    detail=tried.detail,
                )
                return

    async def _try(self, name: str, delivery: Delivery) -> Delivery:
        channel, now = self._channels.get(name), self._clock()
        if channel is None:
            return delivery.tried(now=now, retry=NO_CHANNEL, detail="no channel of this name is declared any more")
        # Before the first try it is due at the moment it was said.
        if delivery.attempts == 0 and now - delivery.next_at > self._stale_after:
            return replace(delivery, state=DeliveryState.STALE)
        try:
            await send(channel, delivery, now=now)
        except UndeliveredError as error:
            return delivery.tried(now=self._clock(), retry=self._retry, detail=str(error))
        return delivery.tried(now=now, retry=self._retry, detail=None)


def _undelivered(delivery: Delivery) -> AlertUndelivered:
    return AlertUndelivered(
        pipeline=delivery.notice.pipeline,
        alert_id=delivery.alert_id,
        delivery_id=delivery.id,
        channel=delivery.channel,
        attempts=delivery.attempts,
        detail=delivery.detail,
    )
