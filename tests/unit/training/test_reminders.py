"""Causes that waited, and turns of a schedule, start runs of their own."""

from datetime import timedelta

from contracts.pipeline import Trigger, TriggerKind
from contracts.training import StartTrainingRun, TrainingRunStarted
from services.chassis.jobs import JobStatus
from tests.fakes.training import examples
from tests.unit.training.stage import Stage


async def test_cause_that_waited_for_the_active_run_gets_its_own() -> None:
    stage = Stage()
    run = await stage.running()
    await stage.story.hear(examples.dataset_ingested(2))
    await stage.remind()
    assert await stage.story.runs.unfinished() == [await stage.run()]

    stage.files.results[run.run_id] = examples.result()
    stage.cluster.end(run.submission_id, JobStatus.SUCCEEDED)
    await stage.step()
    await stage.remind()
    stage.later(minutes=1)
    await stage.step(2)

    assert [started.dataset_version for started in stage.work.of(TrainingRunStarted)] == [1, 2]


async def test_schedule_starts_one_run_per_turn() -> None:
    stage = Stage(triggers=(Trigger(on=TriggerKind.SCHEDULE, every=timedelta(hours=12)),))
    await stage.story.ingest(1)

    await stage.remind()
    await stage.remind()

    run = await stage.run()
    (heard,) = await stage.story.causes.recent(None, limit=10)
    assert (run.cause.kind, heard.run_id) == (TriggerKind.SCHEDULE, run.run_id)


async def test_schedule_counts_from_the_last_run() -> None:
    stage = Stage(triggers=(Trigger(on=TriggerKind.SCHEDULE, every=timedelta(hours=12)),))
    await stage.story.ingest(1)
    at = stage.now - timedelta(hours=11)
    await stage.story.hear(StartTrainingRun(pipeline=examples.NAME), examples.message(1, at=at))

    await stage.remind()
    assert len(await stage.story.causes.recent(None, limit=10)) == 1
    stage.later(hours=2)
    await stage.remind()

    assert len(await stage.story.causes.recent(None, limit=10)) == 2
