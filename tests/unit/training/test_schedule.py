"""When schedules fall due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.pipeline import Trigger, TriggerKind
from services.chassis.errors import MalformedError
from services.training.schedule import check, fallen_due, next_turn
from tests.fakes.training.examples import NOON

NIGHTLY = Trigger(on=TriggerKind.SCHEDULE, cron="30 2 * * *", time_zone="Europe/Berlin")


def utc(day: int, hour: int, minute: int = 0, *, month: int = 10) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def due(trigger: Trigger, last: datetime, now: datetime) -> datetime | None:
    return fallen_due(trigger, last_turn=last, last_run=None, now=now)


def test_every_counts_from_the_latest_run_or_turn() -> None:
    hourly = Trigger(on=TriggerKind.SCHEDULE, every=timedelta(hours=1))
    half_past = NOON + timedelta(minutes=30)

    assert due(hourly, NOON, NOON + timedelta(minutes=59)) is None
    assert due(hourly, NOON, NOON + timedelta(hours=3)) == NOON + timedelta(hours=1)
    assert fallen_due(hourly, last_turn=NOON, last_run=half_past, now=NOON + timedelta(minutes=80)) is None
    assert next_turn(hourly, last_turn=NOON, last_run=half_past, now=NOON) == half_past + timedelta(hours=1)


def test_cron_reads_the_clock_of_its_zone_in_summer_and_in_winter() -> None:
    assert due(NIGHTLY, utc(1, 0, month=7), utc(1, 0, 29, month=7)) is None
    assert due(NIGHTLY, utc(1, 0, month=7), utc(1, 0, 30, month=7)) == utc(1, 0, 30, month=7)
    assert due(NIGHTLY, utc(1, 0, month=12), utc(1, 1, 30, month=12)) == utc(1, 1, 30, month=12)
    assert next_turn(NIGHTLY, last_turn=NOON, last_run=None, now=utc(1, 3, month=12)) == utc(2, 1, 30, month=12)


def test_turns_that_were_missed_fall_due_once() -> None:
    back = utc(20, 12)

    turn = due(NIGHTLY, utc(1, 12), back)

    assert turn == utc(20, 0, 30)
    assert due(NIGHTLY, turn, back) is None


def test_hour_that_comes_twice_has_one_turn() -> None:
    first = due(NIGHTLY, utc(24, 12), utc(25, 0, 45))

    assert first == utc(25, 0, 30)
    assert due(NIGHTLY, first, utc(25, 1, 45)) is None
    assert due(NIGHTLY, utc(24, 12), utc(25, 1, 15)) == first


def test_hour_that_never_comes_has_its_turn_right_after() -> None:
    assert due(NIGHTLY, utc(28, 12, month=3), utc(29, 12, month=3)) == utc(29, 1, month=3)


@given(
    minutes=st.lists(st.integers(1, 600), min_size=1, max_size=40),
    cron=st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 */6 * * *", "0 3 * * 1"]),
)
def test_each_turn_falls_due_at_most_once_however_often_it_is_looked_at(minutes: list[int], cron: str) -> None:
    trigger = NIGHTLY.model_copy(update={"cron": cron})
    last = now = utc(24, 0)
    turns: list[datetime] = []
    for step in minutes:
        now += timedelta(minutes=step)
        if turn := due(trigger, last, now):
            turns.append(turn)
            last = now
        assert due(trigger, last, now) is None
        upcoming = next_turn(trigger, last_turn=last, last_run=None, now=now)
        assert upcoming is not None
        assert upcoming > now

    assert turns == sorted(set(turns))


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        ({"cron": "61 * * * *"}, "cron_unreadable"),
        ({"cron": "0 0 31 2 *"}, "cron_unreadable"),
        ({"cron": "0 2 * * *", "time_zone": "Europe/Atlantis"}, "time_zone_unknown"),
    ],
)
def test_clock_that_nobody_can_read_is_refused(fields: dict[str, str], slug: str) -> None:
    with pytest.raises(MalformedError) as refused:
        check(Trigger(on=TriggerKind.SCHEDULE, **fields))  # type: ignore[arg-type]

    assert refused.value.slug == slug


def test_schedule_goes_by_every_or_by_cron() -> None:
    with pytest.raises(ValueError, match="every or cron"):
        Trigger(on=TriggerKind.SCHEDULE)
    with pytest.raises(ValueError, match="every or cron"):
        Trigger(on=TriggerKind.SCHEDULE, every=timedelta(days=1), cron="0 2 * * *")
    with pytest.raises(ValueError, match="pattern"):
        Trigger(on=TriggerKind.SCHEDULE, cron="0 0 2 * * *")
