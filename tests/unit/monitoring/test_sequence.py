"""Windows of a quality that only varies with the days alarm as rarely as is stated; a quality that fell does."""

import numpy as np
import pytest

from services.monitoring.evidence import BETS, e_values_of
from services.monitoring.quality import DAY, Labelled, QualityOutcome, QualityVerdict, judge_quality
from services.monitoring.sequence import begin, resume

RUN_LENGTH = 20
"""Far below the default, so that false alarms are frequent enough to be counted."""
TRUE_ERROR, WEATHER, ROWS = 1.0, 0.3, 60


def window(rng: np.random.Generator, *, days: int, fell: float = 0.0) -> QualityVerdict:
    """A window whose rows share their days' weather, held against exactly what is allowed."""
    weather = np.repeat(rng.normal(0, WEATHER, days), ROWS)
    losses = np.abs(TRUE_ERROR + fell + weather + rng.normal(0, 0.5, days * ROWS))
    times = np.repeat(np.arange(days), ROWS) * DAY
    return judge_quality(
        Labelled(times, np.zeros(days * ROWS), losses),
        predictions=days * ROWS,
        metric="mae",
        reference=TRUE_ERROR + BIAS,
        max_drop=1e-9,
        confidence=0.95,
        min_rows=10,
    )


BIAS = float(np.abs(np.random.default_rng(9).normal(TRUE_ERROR, np.hypot(WEATHER, 0.5), 1_000_000)).mean()) - TRUE_ERROR


def alarms(
    verdicts: list[QualityVerdict], *, blocks: tuple[float, ...] = (), run_length: float = RUN_LENGTH
) -> list[int]:
    weighed = resume(begin(blocks), verdicts, run_length=run_length)
    return [place for place, verdict in enumerate(weighed) if verdict and verdict.outcome is QualityOutcome.DEGRADED]


@pytest.mark.parametrize("days", [1, 7])
def test_at_the_very_edge_of_what_is_allowed_alarms_are_as_rare_as_stated(days: int) -> None:
    rng = np.random.default_rng([30, days])
    windows = 3000

    found = alarms([window(rng, days=days) for _ in range(windows)])

    # At most one in RUN_LENGTH; the sequence begins anew after each, so that they are nearly a Poisson count.
    assert len(found) <= windows / RUN_LENGTH + 3 * np.sqrt(windows / RUN_LENGTH)


def test_judged_by_rows_alone_the_same_windows_would_alarm_far_too_often() -> None:
    rng = np.random.default_rng(31)
    windows = [window(rng, days=1) for _ in range(500)]

    below = sum(verdict.outcome is QualityOutcome.BELOW for verdict in windows)

    assert below / len(windows) > 0.2, "else these windows are no test of the sequence"


@pytest.mark.parametrize(("days", "fell"), [(1, 1.0), (7, 0.5), (7, 1.0)])
def test_a_quality_that_fell_is_found_within_a_few_windows(days: int, fell: float) -> None:
    rng = np.random.default_rng([32, days])
    held_out = tuple(verdict.value or 0.0 for verdict in (window(rng, days=days) for _ in range(10)))
    story = [window(rng, days=days) for _ in range(20)] + [window(rng, days=days, fell=fell) for _ in range(10)]

    found = alarms(story, blocks=held_out, run_length=1000)

    assert found
    assert 20 <= found[0] <= 26


def test_an_alarm_begins_the_sequence_anew_and_is_repeated_while_quality_stays_low() -> None:
    rng = np.random.default_rng(33)

    weighed = resume(begin(()), [window(rng, days=7, fell=2.0) for _ in range(6)], run_length=1000)

    evidence = [verdict.evidence for verdict in weighed if verdict and verdict.evidence]
    first = next(place for place, one in enumerate(evidence) if one.alarms)
    after = evidence[first + 1]
    assert after.p is not None
    assert after.bets == e_values_of(after.p)
    assert len(after.bets) == len(BETS)
    assert sum(one.alarms for one in evidence) > 1


def test_too_few_blocks_are_no_evidence_and_say_so() -> None:
    rng = np.random.default_rng(34)

    weighed = resume(begin((1.0, 1.1)), [window(rng, days=1, fell=5.0) for _ in range(5)], run_length=1000)

    assert [
        (verdict.evidence.blocks, verdict.evidence.p) for verdict in weighed[:3] if verdict and verdict.evidence
    ] == [
        (2, None),
        (3, None),
        (4, None),
    ]
    assert weighed[3]
    assert weighed[3].evidence
    assert weighed[3].evidence.p is not None


def test_windows_after_one_without_labels_wait_for_it() -> None:
    rng = np.random.default_rng(35)
    first, second, third = (window(rng, days=7) for _ in range(3))

    waiting = resume(begin(()), [first, None, third], run_length=1000)
    at_last = resume(begin(()), [first, second, third], run_length=1000)

    assert [bool(verdict and verdict.evidence) for verdict in waiting] == [True, False, False]
    assert at_last[0]
    assert at_last[1]
    assert at_last[1:] == resume(at_last[0].evidence, [second, third], run_length=1000)


def test_a_window_that_cannot_be_measured_changes_nothing() -> None:
    rng = np.random.default_rng(36)
    measured = [window(rng, days=7, fell=0.3) for _ in range(2)]
    empty = QualityVerdict(outcome=QualityOutcome.ONE_CLASS, metric="auc", predictions=5, labelled=5)

    with_it = resume(begin(()), [measured[0], empty, measured[1]], run_length=1000)
    without = resume(begin(()), measured, run_length=1000)

    assert with_it[2] == without[1]
    assert with_it[1]
    assert with_it[1].outcome is QualityOutcome.ONE_CLASS


def test_bets_win_nothing_on_average_while_nothing_is_wrong() -> None:
    evenly = (np.arange(200_000) + 0.5) / 200_000

    means = np.mean([e_values_of(p) for p in evenly], axis=0)

    assert means[0] == pytest.approx(1, abs=1e-3)
    assert (means <= 1.0).all()
