from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from services.monitoring.counting import Baseline
from services.monitoring.domain import Join, Label, Monitor, WatchedVersion, Window, instant, instants, latest, moment
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import cause

HOUR = 3_600_000_000
START = instant(examples.START)
MONITOR = Monitor(examples.PIPELINE, examples.definition(min_labelled_fraction=0.9))
VERSION = WatchedVersion(1, examples.PIPELINE, 1, baseline=Baseline(examples.reference(blocks=2)))
WINDOW = VERSION.open_window(START).with_rows(np.zeros(1, np.int64), 100)


def at(monitor: Monitor = MONITOR, *, hours: float | None = None, labels: float | None = None) -> Monitor:
    return replace(
        monitor,
        watermark=None if hours is None else START + round(hours * HOUR),
        label_watermark=None if labels is None else START + round(labels * HOUR),
    )


def join(delay: timedelta, replaced: Label | None = None) -> Join:
    observed = START + instant(moment(0) + delay)
    return Join("p", 1, START, Label(observed, observed, 1), replaced)


def test_instants_are_exact_to_the_microsecond() -> None:
    time = examples.START + timedelta(microseconds=123_457)

    assert moment(instant(time)) == time
    assert instants([time]).tolist() == [instant(time)]


def test_windows_are_aligned_to_1970_and_hold_their_start_but_not_their_end() -> None:
    starts = VERSION.window_starts(np.array([START - 1, START, START + HOUR - 1, START + HOUR, -1]))

    assert starts.tolist() == [START - HOUR, START, START, START + HOUR, -HOUR]


@pytest.mark.parametrize(("hours", "closed"), [(None, False), (0.99, False), (1, True)])
def test_a_window_closes_when_the_time_of_the_data_passes_its_end(hours: float | None, closed: bool) -> None:
    assert WINDOW.is_closed(at(hours=hours)) is closed


def test_a_window_is_ripe_with_enough_labels() -> None:
    assert WINDOW.with_labels(new=90, changes=90).is_ripe(MONITOR)
    assert not WINDOW.with_labels(new=89, changes=89).is_ripe(MONITOR)


def test_a_window_waits_for_labels_that_never_come_no_longer_than_its_own_length() -> None:
    assert not WINDOW.is_ripe(at(labels=1.99))
    assert WINDOW.is_ripe(at(labels=2))


def test_where_labels_take_longer_than_a_window_the_measured_delay_is_waited_for() -> None:
    monitor = MONITOR.counted([join(timedelta(hours=hours)) for hours in (1, 2, 5)])

    assert timedelta(hours=5) <= monitor.grace <= timedelta(hours=5) * 1.5
    assert not WINDOW.is_ripe(at(monitor, labels=5.9))
    assert WINDOW.is_ripe(at(monitor, labels=8.6))


def test_a_corrected_label_is_counted_once_with_its_new_delay() -> None:
    first = join(timedelta(minutes=1))
    corrected = join(timedelta(hours=9), replaced=first.label)

    monitor = MONITOR.counted([first]).counted([corrected])

    assert monitor.joined == 1
    assert monitor.grace >= timedelta(hours=9)
    assert monitor == MONITOR.counted([join(timedelta(hours=9))])


def test_one_event_time_far_in_the_future_moves_no_clock() -> None:
    served_at = np.array([START, START])
    times = np.array([START + HOUR, START + 365 * 24 * HOUR])

    monitor = MONITOR.heard_predictions(times, served_at=served_at, cause=cause())

    assert monitor.watermark == START + HOUR


def test_clocks_never_go_back() -> None:
    monitor = at(hours=5, labels=5).heard_predictions(np.array([START]), served_at=np.array([START]), cause=cause())
    monitor = monitor.heard_labels([Label(START, START, 1)], cause=cause())

    assert (monitor.watermark, monitor.label_watermark) == (START + 5 * HOUR, START + 5 * HOUR)


def test_the_latest_observation_counts_and_of_two_for_one_instant_the_one_said_last() -> None:
    early, late, late_again = Label(1, 9, 0), Label(2, 3, 0), Label(2, 4, 1)

    assert latest([late, early]) == late
    assert latest([late_again, None, late, early]) == late_again
    assert latest([]) is None


def test_late_predictions_make_a_verdict_on_quality_due_again() -> None:
    monitor = at(hours=3, labels=1.5)
    labelled = WINDOW.with_labels(new=95, changes=95)
    judged = replace(labelled, quality=object(), quality_rows=100, quality_changes=95)

    assert labelled.quality_is_due(monitor)
    assert not judged.quality_is_due(monitor)
    assert judged.with_rows(np.zeros(1, np.int64), 50).quality_is_due(monitor)
    assert judged.with_labels(new=0, changes=1).quality_is_due(monitor)


def test_an_unripe_window_has_no_verdict_to_renew() -> None:
    window: Window = WINDOW.with_labels(new=10, changes=10)

    assert not window.quality_is_due(at(hours=3, labels=1.5))
