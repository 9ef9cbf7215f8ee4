"""New categories, missing values and sudden shifts are told as something broken; seasons and bad days are not."""

import numpy as np
import pytest

from contracts.monitoring import Breakage, DataBroken, DriftDetected
from services.monitoring.drift import Bounds, DriftOutcome, DriftVerdict
from services.monitoring.faults import Cell, judge_faults, surprise
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import World

RATE, BLOCKS, ROWS = 0.05, 39, 1000


def judged(seed: int, *, usual: float, now: float, burst: float = 0.0) -> DriftVerdict:
    """Twelve cells; in some blocks all their shares are up by a burst."""
    rng = np.random.default_rng([40, seed])
    sizes = rng.integers(ROWS // 2, 2 * ROWS, BLOCKS)
    cells = []
    for place in range(12):
        shares = usual * np.exp(rng.normal(0, burst, BLOCKS + 1))
        share = min(now * float(shares[-1]) / usual if place == 0 else float(shares[-1]), 1.0)
        found = rng.binomial(sizes, np.minimum(shares[:-1], 1.0))
        cells.append(Cell(f"feature_{place}", "missing", found, int(rng.binomial(ROWS, share))))
    return judge_faults(cells, sizes, ROWS, Bounds(RATE, 0.1, 50))


@pytest.mark.parametrize(("usual", "burst"), [(1e-5, 0.0), (0.003, 0.0), (0.03, 0.8)])
def test_without_a_fault_alarms_keep_the_stated_rate(usual: float, burst: float) -> None:
    trials = 300

    alarms = sum(
        judged(seed, usual=usual, now=usual, burst=burst).outcome is DriftOutcome.ALARM for seed in range(trials)
    )

    assert alarms / trials <= RATE + 3 * np.sqrt(RATE * (1 - RATE) / trials)


@pytest.mark.parametrize(("usual", "now"), [(1e-5, 0.02), (0.02, 0.2)])
def test_two_rows_in_a_hundred_with_a_new_value_and_a_fifth_missing_are_found(usual: float, now: float) -> None:
    verdicts = [judged(seed, usual=usual, now=now) for seed in range(30)]

    assert all(verdict.outcome is DriftOutcome.ALARM for verdict in verdicts)
    top = verdicts[0].shifts[0]
    assert (top.feature, top.cell) == ("feature_0", "missing")
    assert top.share == pytest.approx(now, rel=0.5)
    assert top.effect > 0.1


def test_one_row_never_seen_before_is_no_fault() -> None:
    never = Cell("shop", "unseen", np.zeros(BLOCKS, np.int64), 1)

    verdict = judge_faults([never], np.full(BLOCKS, ROWS), ROWS, Bounds(RATE, 0.1, 50))

    assert verdict.outcome is DriftOutcome.SMALL_EFFECT


def test_surprise_is_the_exact_binomial_tail() -> None:
    found, sizes = np.array([0, 1, 3]), np.array([100, 100, 200])

    quarter = 0.25
    assert surprise(found, sizes)[0] == 0
    assert surprise(found, sizes)[1] == pytest.approx(-np.log10(1 - (1 - quarter) ** 4))


async def watching() -> World:
    world = World()
    world.references.references[examples.digest()] = examples.reference()
    await world.hear(examples.pipeline_registered())
    await world.hear(examples.rollout_completed())
    return world


async def test_a_new_category_is_told_as_a_fault_that_names_it() -> None:
    world = await watching()
    batch = examples.hour(0)
    countries = ("xx",) * 10 + batch.inputs["country"][10:]
    strange = batch.model_copy(update={"inputs": {**batch.inputs, "country": countries}})

    await world.hear(examples.served(strange, examples.hour(1, rows=1)))
    facts = await world.judge()

    (fault,) = [fact for fact in facts if isinstance(fact, DataBroken) and fact.breakage is Breakage.FAULT]
    assert (fault.shifts[0].feature, fault.shifts[0].cell, fault.shifts[0].share) == ("country", "unseen", 0.05)
    assert fault.reference_rows == 40 * 200
    assert fault.blocks == 40


async def test_a_lasting_change_is_drift_for_good_and_looks_less_broken_with_time() -> None:
    world = await watching()
    for hour in range(8):
        await world.hear(examples.served(examples.hour(hour, shift=2)))
    await world.hear(examples.served(examples.hour(8, rows=1)))

    facts = await world.judge()

    drifted = [fact for fact in facts if isinstance(fact, DriftDetected)]
    broken = [fact for fact in facts if isinstance(fact, DataBroken) and fact.breakage is Breakage.INPUT]
    assert len(drifted) == 8
    assert broken[0].window_start == examples.START
    assert len(broken) < len(drifted)
