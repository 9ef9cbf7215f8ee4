"""Causes that waited, and turns of a schedule, start runs of their own."""

from datetime import timedelta

from contracts.pipeline import Budget, Trigger, TriggerKind
from contracts.training import SkipReason, StartTrainingRun, TrainingRunSkipped, TrainingRunStarted
from services.chassis.jobs import JobStatus
from services.training.run import RunState
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


async def test_turns_of_a_cron_that_were_missed_start_one_run() -> None:
    stage = Stage(triggers=(Trigger(on=TriggerKind.SCHEDULE, cron="0 3 * * *", time_zone="Europe/Berlin"),))
    await stage.story.ingest(1)
    stage.later(days=9)
    await stage.remind()
    await stage.remind()

    (run,) = await stage.story.runs.recent(None, limit=10)
    assert run.cause.reason == "scheduled for 2026-03-11T02:00:00+00:00"
    assert run.state is RunState.DEBOUNCING


async def test_cause_beyond_the_budget_gets_its_run_the_next_day() -> None:
    stage = Stage(budget=Budget(max_runs=1), triggers=(Trigger(on=TriggerKind.DRIFT),))
    stage.now = examples.NOON + timedelta(hours=8)
    await stage.story.succeeded(1)
    await stage.story.ingest(2)

    (waits,) = await stage.story.hear(examples.drift_detected(), examples.message(77, at=stage.now))
    stage.later(hours=3, minutes=59)
    await stage.remind()
    assert await stage.story.runs.unfinished() == []
    stage.later(minutes=1)
    await stage.remind()

    assert isinstance(waits, TrainingRunSkipped)
    assert (waits.reason, waits.waits, waits.waits_until) == (SkipReason.BUDGET, True, stage.now)
    assert stage.work.said == []
    run = await stage.run()
    assert (run.cause.message_id, run.state) == ("message-77", RunState.DEBOUNCING)


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
