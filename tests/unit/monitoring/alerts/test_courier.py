"""What becomes of notices: sent, tried again, given up, or too old to wake anybody."""

from datetime import timedelta
from typing import Any

from contracts.alerts import AlertUndelivered, ResolveAlert, SnoozeAlert
from contracts.monitoring import QualityDegraded
from services.monitoring.alerts.channels import Slack
from services.monitoring.alerts.courier import Courier
from services.monitoring.alerts.domain import Delivery, DeliveryState, Retry
from services.monitoring.alerts.ports import Route
from tests.contracts import examples
from tests.fakes.monitoring.alerts import NOON, Desk
from tests.fakes.work import InMemoryWork

HOUR = timedelta(hours=1)
DEGRADED = next(one for one in examples.every_message() if isinstance(one, QualityDegraded))
NOBODY = Slack.model_validate({"url": "http://127.0.0.1:9/T0KEN"})
"""The port of `discard`, where nothing listens."""


class Story:
    def __init__(self, channel: Any = NOBODY, *, attempts: int = 3) -> None:
        self.now = NOON
        self.desk = Desk(oncall=Route())
        self.work: InMemoryWork = self.desk.work
        self._courier = Courier(
            {"oncall": channel} if channel else {},
            self.desk.routing,
            Retry(attempts=attempts, first=HOUR, longest=3 * HOUR),
            stale_after=24 * HOUR,
            clock=lambda: self.now,
        )

    async def step(self, *, later: timedelta = timedelta(0)) -> None:
        self.now += later
        await self._courier.step(self.work)  # type: ignore[arg-type]

    async def deliveries(self) -> list[Delivery]:
        (alert,) = await self.desk.open()
        return await self.desk.deliveries.of(alert.id)


async def test_what_fails_is_tried_again_later_and_later_and_given_up() -> None:
    story = Story()
    await story.desk.hear(DEGRADED)

    await story.step()
    await story.step(later=HOUR / 2)
    (first,) = await story.deliveries()
    await story.step(later=HOUR / 2)
    await story.step(later=HOUR)
    (second,) = await story.deliveries()
    await story.step(later=HOUR)
    await story.step(later=100 * HOUR)
    (last,) = await story.deliveries()

    assert (first.attempts, first.state, first.next_at) == (1, DeliveryState.WAITING, NOON + HOUR)
    assert (second.attempts, second.next_at) == (2, NOON + 3 * HOUR)
    assert (last.attempts, last.state, last.id) == (3, DeliveryState.DEAD, first.id)
    (fact,) = story.work.said
    assert isinstance(fact, AlertUndelivered)
    assert (fact.channel, fact.attempts, fact.delivery_id) == ("oncall", 3, first.id)
    assert "T0KEN" not in fact.model_dump_json()


async def test_old_news_wakes_nobody() -> None:
    story = Story()
    await story.desk.hear(DEGRADED)

    await story.step(later=25 * HOUR)

    (only,) = await story.deliveries()
    assert (only.state, only.attempts) == (DeliveryState.STALE, 0)
    assert story.work.said == []


async def test_what_a_person_says_of_an_old_alert_is_news() -> None:
    story = Story()
    await story.desk.hear(DEGRADED)
    await story.step()
    (alert,) = await story.desk.open()

    word = ResolveAlert(pipeline=alert.pipeline, alert_id=alert.id, resolved_by="ada", reason="mended")
    await story.desk.hear(word, at=NOON + 100 * HOUR)
    await story.step(later=100 * HOUR)
    await story.step(later=HOUR)

    told = await story.desk.deliveries.of(alert.id)
    assert [(one.occasion, one.attempts) for one in told] == [("raised", 2), ("resolved", 1)]


async def test_a_channel_that_is_declared_no_more_is_told_nothing() -> None:
    story = Story(channel=None)
    await story.desk.hear(DEGRADED)

    await story.step()

    (only,) = await story.deliveries()
    assert only.state is DeliveryState.DEAD
    assert "no channel" in story.work.said[0].detail  # type: ignore[attr-defined]


async def test_still_open_when_a_snooze_ends_it_is_told_again_once() -> None:
    story = Story()
    await story.desk.hear(DEGRADED)
    (alert,) = await story.desk.open()
    until = NOON + 8 * HOUR
    await story.desk.hear(
        SnoozeAlert(pipeline=alert.pipeline, alert_id=alert.id, until=until, snoozed_by="ada", reason="a strike")
    )

    await story.step(later=7 * HOUR)
    assert await story.desk.notices() == [("oncall", "raised")]
    for _ in range(3):
        await story.step(later=HOUR)

    assert await story.desk.notices() == [("oncall", "raised"), ("oncall", "reminded")]
    (alert,) = await story.desk.open()
    assert alert.snoozed_until is None
