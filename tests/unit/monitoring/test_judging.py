import numpy as np
import pytest

from contracts.monitoring import DriftDetected, DriftKind, QualityDegraded, RecordGroundTruth
from contracts.pipeline import Objective
from services.monitoring.domain import Window, WindowState
from services.monitoring.drift import DriftOutcome
from services.monitoring.ports import Versions, Windows
from services.monitoring.quality import QualityOutcome
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import World, cause


async def watching(**changes: object) -> World:
    world = World()
    world.references.references[examples.digest()] = examples.reference()
    await world.hear(examples.pipeline_registered(**changes))
    await world.hear(examples.rollout_completed())
    return world


async def told(world: World) -> list[DriftDetected | QualityDegraded]:
    """Judge; what is told, but for what looks broken."""
    facts = await world.judge()
    return [fact for fact in facts if isinstance(fact, DriftDetected | QualityDegraded)]


async def first_window(world: World) -> Window:
    watched = await world.ports[Versions].see(examples.PIPELINE, 1)
    return (await world.ports[Windows].of(watched.key))[0]


async def test_an_open_window_is_not_judged() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, shift=2)))

    assert await world.judge() == []
    assert (await first_window(world)).state is WindowState.OPEN


async def test_a_window_like_the_reference_is_quiet() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0), examples.hour(1, rows=1)))

    assert await world.judge() == []
    window = await first_window(world)
    assert window.state is WindowState.CLOSED
    assert {verdict.outcome for verdict in window.drift.values()} == {DriftOutcome.QUIET}


async def test_a_window_that_moved_is_told_of_once_with_its_grounds() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, shift=2)))
    await world.hear(examples.served(examples.hour(1, rows=1)), cause("closes the window"))

    (fact,) = await told(world)

    assert isinstance(fact, DriftDetected)
    assert (fact.version, fact.drift, fact.rows) == (1, DriftKind.INPUT, 200)
    assert (fact.window_start, fact.window_end) == (examples.START, examples.START + examples.WINDOW)
    assert fact.shifts[0].feature == "amount"
    assert fact.statistic > fact.threshold
    assert world.causes[-1] == cause("closes the window")
    await world.hear(examples.served(examples.hour(0, rows=5, shift=2, prefix="late")))
    assert await world.judge() == []
    assert (await first_window(world)).drift[DriftKind.INPUT].rows == 205


async def test_calendar_columns_are_not_monitored() -> None:
    world = await watching()
    batch = examples.hour(0)
    monday = batch.model_copy(update={"inputs": {**batch.inputs, "weekday": (0,) * 200}})

    await world.hear(examples.served(monday, examples.hour(1, rows=1)))

    assert await world.judge() == []
    assert "weekday" not in {shift.feature for shift in (await first_window(world)).drift[DriftKind.INPUT].shifts}


async def test_scores_that_moved_are_drift_of_predictions() -> None:
    world = await watching()
    batch = examples.hour(0)
    sure = batch.model_copy(update={"scores": tuple(score**4 for score in batch.scores)})

    await world.hear(examples.served(sure, examples.hour(1, rows=1)))

    (fact,) = await told(world)
    assert isinstance(fact, DriftDetected)
    assert (fact.drift, fact.shifts[0].feature) == (DriftKind.PREDICTION, "score")


async def test_a_few_rows_before_a_version_was_replaced_are_not_judged() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=19, shift=3), examples.hour(1, rows=1)))

    assert await world.judge() == []
    assert (await first_window(world)).drift[DriftKind.INPUT].outcome is DriftOutcome.TOO_FEW_ROWS


async def test_bad_quality_is_told_of_once_when_the_labels_are_in() -> None:
    world = await watching()
    batch = examples.hour(0)
    await world.hear(examples.served(batch, examples.hour(1, rows=1)))
    await world.hear(examples.truth(batch, inverted=True, fraction=0.5))
    assert await world.judge() == []

    await world.hear(examples.truth(batch, inverted=True), cause("last labels"))
    (fact,) = await told(world)

    assert isinstance(fact, QualityDegraded)
    assert (fact.metric, fact.predictions, fact.labelled) == ("auc", 200, 200)
    assert fact.value < 0.3
    assert fact.high < fact.threshold < fact.reference
    assert fact.reference == pytest.approx(np.mean(examples.QUALITY_BLOCKS))
    assert world.causes[-1] == cause("last labels")
    assert await world.judge() == []
    assert (await first_window(world)).state is WindowState.JUDGED


async def test_good_quality_is_no_fact() -> None:
    world = await watching()
    batch = examples.hour(0)
    await world.hear(examples.served(batch, examples.hour(1, rows=1)))
    await world.hear(examples.truth(batch))

    assert await world.judge() == []
    quality = (await first_window(world)).quality
    assert quality is not None
    assert quality.outcome is QualityOutcome.GOOD


async def test_labels_that_never_come_do_not_keep_a_window_waiting() -> None:
    world = await watching()
    first, later = examples.hour(0), examples.hour(2)
    await world.hear(examples.served(first, later))
    await world.hear(examples.truth(first, inverted=True, fraction=0.6))
    assert await world.judge() == []

    await world.hear(examples.truth(later))
    (fact,) = await told(world)

    assert isinstance(fact, QualityDegraded)
    assert (fact.predictions, fact.labelled) == (200, 120)


async def test_late_labels_amend_a_judged_window_without_telling_again() -> None:
    world = await watching()
    batch = examples.hour(0)
    await world.hear(examples.served(batch, examples.hour(1, rows=1)))
    await world.hear(examples.truth(batch, inverted=True, fraction=0.9))
    assert len(await world.judge()) == 1
    before = (await first_window(world)).quality

    await world.hear(examples.truth(batch, inverted=True))

    assert await world.judge() == []
    after = (await first_window(world)).quality
    assert before is not None
    assert after is not None
    assert (before.labelled, after.labelled) == (180, 200)


async def test_late_predictions_take_a_premature_verdict_back() -> None:
    world = await watching()
    batch = examples.hour(0)
    await world.hear(examples.served(batch, examples.hour(1, rows=1)))
    await world.hear(examples.truth(batch))
    await world.judge()

    await world.hear(examples.served(examples.hour(0, prefix="late")))
    await world.judge()

    assert (await first_window(world)).state is WindowState.CLOSED


async def test_an_estimate_of_a_value_is_judged_without_any_setting() -> None:
    definition = examples.definition().model_copy(update={"objective": Objective.REGRESSION})
    reference = examples.reference()
    quality = {"quality": {"r2": 0.9}, "quality_blocks": {"r2": tuple(0.9 + 0.01 * (block % 3) for block in range(9))}}
    world = World()
    world.references.references[examples.digest()] = reference.model_copy(update=quality)
    await world.hear(examples.pipeline_registered().model_copy(update={"definition": definition}))
    await world.hear(examples.rollout_completed())
    batch = examples.hour(0)
    off = np.random.default_rng(1).normal(0, 0.5, 200)
    labels = tuple(
        examples.label(id_, float(score + error), time)
        for id_, score, error, time in zip(batch.prediction_ids, batch.scores, off, batch.event_times, strict=True)
    )
    await world.hear(examples.served(batch, examples.hour(1, rows=1)))
    await world.hear(RecordGroundTruth(pipeline=examples.PIPELINE, labels=labels))

    (fact,) = await told(world)

    assert isinstance(fact, QualityDegraded)
    assert fact.metric == "r2"
    assert fact.value < fact.threshold < 0.91
    assert fact.statistic is not None
    assert fact.statistic >= 1000
    assert fact.run_length == 1000
    assert fact.blocks == 9
