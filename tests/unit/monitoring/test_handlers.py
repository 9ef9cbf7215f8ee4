from datetime import timedelta

import pytest

from contracts.monitoring import GroundTruthRecorded, RecordGroundTruth
from contracts.registered_models import ModelAliasMoved
from services.chassis.errors import MalformedError, TransientError
from services.monitoring.domain import Window
from services.monitoring.ports import Labels, Monitors, Predictions, Versions, Windows
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.world import SAID_AT, World, cause


async def watching() -> World:
    world = World()
    world.references.references[examples.digest()] = examples.reference()
    await world.hear(examples.pipeline_registered())
    await world.hear(examples.rollout_completed())
    return world


async def windows(world: World, version: int = 1) -> list[Window]:
    watched = await world.ports[Versions].see(examples.PIPELINE, version)
    return await world.ports[Windows].of(watched.key)


def labels(*truths: object) -> RecordGroundTruth:
    return RecordGroundTruth.model_validate({"pipeline": examples.PIPELINE, "labels": truths})


def recorded(facts: list[object]) -> GroundTruthRecorded:
    (fact,) = facts
    assert isinstance(fact, GroundTruthRecorded)
    return fact


async def test_predictions_are_counted_in_the_windows_of_their_event_times() -> None:
    world = await watching()

    await world.hear(examples.served(examples.hour(0, rows=30), examples.hour(1, rows=20)))

    assert [window.predictions for window in await windows(world)] == [30, 20]
    assert [int(window.counts.sum()) for window in await windows(world)] == [30 * 4, 20 * 4]


async def test_what_a_version_answered_before_its_rollout_was_heard_of_is_counted_when_it_is() -> None:
    early, usual = World(), await watching()
    early.references.references[examples.digest()] = examples.reference()
    batch = examples.hour(0, rows=30)
    await early.hear(examples.pipeline_registered())
    await early.hear(examples.served(batch))
    await early.hear(examples.truth(batch, fraction=0.5))
    assert await windows(early) == []

    await early.hear(examples.rollout_completed())

    await usual.hear(examples.served(batch))
    await usual.hear(examples.truth(batch, fraction=0.5))
    (found,), (expected,) = await windows(early), await windows(usual)
    assert (found.predictions, found.labelled) == (30, 15)
    assert (found.counts == expected.counts).all()


async def test_candidate_is_watched_from_its_first_canary_step_and_not_as_a_shadow() -> None:
    world = await watching()
    await world.hear(examples.rollout_stepped(2, kind="shadow"))
    assert (await world.ports[Versions].see(examples.PIPELINE, 2)).baseline is None

    await world.hear(examples.rollout_stepped(2))
    await world.hear(examples.served(examples.hour(0, rows=7, version=2)))
    await world.hear(examples.rollout_completed(2))

    assert [window.predictions for window in await windows(world, 2)] == [7]


async def test_versions_that_answer_in_one_hour_have_windows_of_their_own() -> None:
    world = await watching()
    await world.hear(examples.rollout_completed(2))

    await world.hear(examples.served(examples.hour(0, rows=10), examples.hour(0, rows=7, version=2, prefix="q")))

    assert [window.predictions for window in await windows(world)] == [10]
    assert [window.predictions for window in await windows(world, 2)] == [7]


async def test_a_prediction_said_twice_is_counted_once() -> None:
    world = await watching()
    batch = examples.hour(0, rows=10)

    await world.hear(examples.served(batch, batch))
    await world.hear(examples.served(batch, examples.hour(0, rows=3, prefix="new")))

    assert [window.predictions for window in await windows(world)] == [13]


async def test_a_second_rollout_of_a_version_changes_nothing() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=10)))

    await world.hear(examples.rollout_completed())

    assert [window.predictions for window in await windows(world)] == [10]


async def test_labels_are_joined_by_prediction_id() -> None:
    world = await watching()
    batch = examples.hour(0, rows=10)
    await world.hear(examples.served(batch))

    facts = await world.hear(examples.truth(batch))

    fact = recorded(facts)
    assert (fact.matched, fact.parked, fact.corrected, fact.total) == (10, 0, 0, 10)
    assert fact.latest_observation == batch.event_times[-1] + examples.LABEL_DELAY
    assert [window.labelled for window in await windows(world)] == [10]


async def test_labels_of_unknown_predictions_wait_for_them() -> None:
    world = await watching()
    batch = examples.hour(0, rows=10)

    fact = recorded(await world.hear(examples.truth(batch)))
    await world.hear(examples.served(batch))

    assert (fact.matched, fact.parked, fact.total) == (0, 10, 0)
    assert [window.labelled for window in await windows(world)] == [10]
    assert (await world.ports[Monitors].get(examples.PIPELINE)).joined == 10


async def test_a_label_said_twice_counts_once() -> None:
    world = await watching()
    batch = examples.hour(0, rows=10)
    await world.hear(examples.served(batch))
    await world.hear(examples.truth(batch))

    fact = recorded(await world.hear(examples.truth(batch)))

    assert (fact.matched, fact.corrected, fact.total) == (10, 0, 10)
    assert [(window.labelled, window.label_changes) for window in await windows(world)] == [(10, 10)]


async def test_a_correction_replaces_the_label_and_both_are_kept() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=10)))
    await world.hear(labels(examples.label("p0-3", 0)), cause("first", SAID_AT))

    fact = recorded(
        await world.hear(labels(examples.label("p0-3", 1)), cause("second", SAID_AT + timedelta(seconds=1)))
    )

    record = await world.ports[Predictions].get("p0-3")
    assert (fact.corrected, fact.total) == (1, 1)
    assert record.label.value == 1
    assert [label.value for label in record.history] == [0, 1]
    assert [(window.labelled, window.label_changes) for window in await windows(world)] == [(1, 2)]


async def test_an_older_observation_that_arrives_late_corrects_nothing() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=10)))
    await world.hear(labels(examples.label("p0-3", 1, examples.START + timedelta(hours=2))))

    fact = recorded(
        await world.hear(labels(examples.label("p0-3", 0, examples.START)), cause("x", SAID_AT + timedelta(days=1)))
    )

    assert fact.corrected == 0
    assert (await world.ports[Predictions].get("p0-3")).label.value == 1


async def test_a_pipeline_labels_only_its_own_predictions() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=10)))
    other = examples.pipeline_registered().model_copy(update={"pipeline": "other"})
    await world.hear(other)

    fact = recorded(await world.hear(labels(examples.label("p0-3", 1)).model_copy(update={"pipeline": "other"})))

    assert (fact.matched, fact.parked) == (0, 1)
    assert (await world.ports[Predictions].get("p0-3")).label is None


async def test_a_label_that_is_neither_true_nor_false_is_malformed_for_a_binary_outcome() -> None:
    world = await watching()

    with pytest.raises(MalformedError, match="label not binary"):
        await world.hear(labels(examples.label("p0-3", 0.5)))

    assert await world.ports[Labels].of(examples.PIPELINE, ["p0-3"]) == {}


@pytest.mark.parametrize(
    "message",
    [examples.rollout_completed(), examples.served(examples.hour(0, rows=1)), labels(examples.label("p", 1))],
)
async def test_what_is_said_of_an_unknown_pipeline_is_tried_again(message: object) -> None:
    with pytest.raises(TransientError, match="pipeline unknown"):
        await World().hear(message)  # type: ignore[arg-type]


async def test_what_a_logged_champion_answers_is_kept_and_judged_by_nobody() -> None:
    world, batch = World(), examples.hour(0, rows=3)
    moved = {"alias": "champion", "version": 1, "moved_by": "mlflow", "at": examples.START}
    bundle = {"bundle_uri": "/store/logged/1", "bundle_digest": "sha256:" + 64 * "a"}
    await world.hear(ModelAliasMoved(pipeline=examples.PIPELINE, **moved, **bundle))

    await world.hear(examples.served(batch))
    await world.hear(labels(examples.label(batch.prediction_ids[0], 1)))

    kept = await world.ports[Predictions].get(batch.prediction_ids[0])
    assert kept
    assert (kept.version, kept.label and kept.label.value) == (batch.version, 1)
    assert await world.ports[Windows].due() == []


async def test_a_pipeline_registered_again_goes_on_by_its_new_definition() -> None:
    world = await watching()
    await world.hear(examples.served(examples.hour(0, rows=10)))

    await world.hear(examples.pipeline_registered(min_rows=77))

    monitor = await world.ports[Monitors].get(examples.PIPELINE)
    assert monitor.definition.monitors.min_rows == 77
    assert monitor.watermark is not None
