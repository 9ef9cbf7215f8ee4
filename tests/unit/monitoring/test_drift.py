import numpy as np
import pytest

from services.monitoring.counting import IntArray
from services.monitoring.drift import Bounds, Comparison, DriftOutcome, DriftVerdict, cohens_w, judge_drift

CELLS, FEATURES, BLOCKS, ROWS = 20, 6, 39, 800
RATE = 0.05


def drawn(rng: np.random.Generator, shares: np.ndarray, rows: int, weather: float) -> IntArray:
    """Rows of one block: every block has a weather of its own that moves all shares a little."""
    own = shares * np.exp(rng.normal(0, weather, shares.shape))
    return rng.multinomial(rows, own / own.sum()).astype(np.int64)


def judged(
    seed: int,
    *,
    weather: float = 0.15,
    rows: int = ROWS,
    blocks: int = BLOCKS,
    moved: float = 1.0,
    even: bool = False,
    rate: float = RATE,
    min_effect: float = 0.0,
) -> DriftVerdict:
    rng = np.random.default_rng([20, seed])
    sizes = np.full(blocks, ROWS) if even else rng.integers(ROWS // 2, ROWS + ROWS // 4, blocks)
    comparisons = []
    for feature in range(FEATURES):
        shares = rng.dirichlet(np.full(CELLS, 2.0))
        counts = np.array([drawn(rng, shares, size, weather) for size in sizes])
        shifted = shares.copy()
        if feature == 0:
            shifted[: CELLS // 2] *= moved
        comparisons.append(Comparison(f"feature_{feature}", counts, drawn(rng, shifted / shifted.sum(), rows, weather)))
    return judge_drift(comparisons, Bounds(rate, min_effect, 50))


@pytest.mark.parametrize("weather", [0.0, 0.15, 0.4])
@pytest.mark.parametrize("rows", [150, ROWS, 5 * ROWS])
def test_without_drift_alarms_keep_the_stated_rate(weather: float, rows: int) -> None:
    trials = 300

    alarms = sum(judged(seed, weather=weather, rows=rows).outcome is DriftOutcome.ALARM for seed in range(trials))

    # Three standard errors above the rate; unequal block sizes are allowed for, and must not inflate it.
    assert alarms / trials <= RATE + 3 * np.sqrt(RATE * (1 - RATE) / trials)


def test_without_drift_some_alarms_are_false_since_the_rate_is_used_up() -> None:
    trials = 300

    alarms = sum(judged(seed, even=True).outcome is DriftOutcome.ALARM for seed in range(trials))

    assert alarms / trials == pytest.approx(RATE, abs=3 * np.sqrt(RATE * (1 - RATE) / trials))


def test_a_feature_that_moves_is_found_and_named() -> None:
    verdicts = [judged(seed, moved=2.0, min_effect=0.1) for seed in range(40)]

    assert sum(verdict.outcome is DriftOutcome.ALARM for verdict in verdicts) >= 36
    assert all(verdict.shifts[0].feature == "feature_0" for verdict in verdicts if verdict.outcome == "alarm")
    found = verdicts[0]
    assert found.p == pytest.approx(1 / (BLOCKS + 1))
    assert found.statistic is not None
    assert found.threshold is not None
    assert found.statistic > found.threshold


def test_a_shift_too_small_to_mean_anything_does_not_alarm() -> None:
    verdict = judged(1, weather=0.0, moved=2.0, min_effect=0.9)

    assert verdict.outcome is DriftOutcome.SMALL_EFFECT


def test_a_rate_finer_than_the_blocks_allow_is_not_promised() -> None:
    verdict = judged(1, blocks=10, moved=3.0)

    assert verdict.outcome is DriftOutcome.TOO_FEW_BLOCKS
    assert verdict.finest_rate == pytest.approx(1 / 11)
    assert verdict.threshold is None


def test_a_small_window_is_not_judged() -> None:
    verdict = judged(1, rows=49, moved=3.0)

    assert (verdict.outcome, verdict.p) == (DriftOutcome.TOO_FEW_ROWS, None)


def test_blocks_too_small_to_be_judged_are_no_measure_either() -> None:
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(CELLS, 2.0))
    counts = np.array([drawn(rng, shares, size, 0.1) for size in [ROWS] * 30 + [3] * 30])

    verdict = judge_drift([Comparison("x", counts, drawn(rng, shares, ROWS, 0.1))], Bounds(RATE, 0, 50))

    assert verdict.blocks == 30


def test_equal_shares_have_no_effect() -> None:
    counts = np.random.default_rng(1).integers(0, 500, CELLS)

    assert cohens_w(counts, counts) == 0
    assert cohens_w(counts, 7 * counts) == 0


def test_effect_is_cohens_w_where_chance_plays_no_part() -> None:
    reference, window = np.array([500_000, 500_000]), np.array([600_000, 400_000])

    assert cohens_w(window, reference) == pytest.approx(0.2, rel=1e-3)


def test_one_row_with_a_value_never_seen_is_no_drift_and_many_are() -> None:
    reference = np.array([60_000, 40_000, 0])

    assert cohens_w(np.array([600, 399, 1]), reference) == 0
    assert cohens_w(np.array([5900, 3900, 200]), reference) > 0.1


def test_every_block_alike_does_not_make_trifles_infinite() -> None:
    comparison = Comparison("x", np.array([[500, 500]] * 30), np.array([501, 499]))

    verdict = judge_drift([comparison], Bounds(RATE, 0.1, 50))

    assert verdict.outcome is not DriftOutcome.ALARM
