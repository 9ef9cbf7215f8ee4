"""How a run is seen through, against a cluster in memory; also when the service dies between any two steps."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.jobs import REFUSED_EXIT_CODE, Progress
from contracts.pipeline import TrainerName, Trigger, TriggerKind
from contracts.training import (
    CancelTrainingRun,
    FailureReason,
    StartTrainingRun,
    TrainingRunFailed,
    TrainingRunProgressed,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.chassis.errors import TransientError
from services.chassis.jobs import JobStatus
from services.training.driving import Driver, Entrypoint, entrypoint_cpus
from services.training.reminders import Reminders
from services.training.run import Run, RunState
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.training import examples
from tests.fakes.training.run_files import InMemoryRunFiles
from tests.fakes.training.story import Story
from tests.fakes.work import InMemoryWork


class Stage:
    """A story with a cluster, a store, a driver, and a clock that only moves when told."""

    def __init__(self, **definition: Any) -> None:
        self.story = Story(examples.pipeline(**definition))
        self.cluster = InMemoryJobs()
        self.files = InMemoryRunFiles()
        self.work = InMemoryWork(self.story.ports)
        self.now = examples.NOON + timedelta(days=1)
        self._driver = Driver(
            self.cluster,
            self.files,
            Entrypoint("python", "/cache", "http://collector"),
            timedelta(seconds=2),
            lambda: self.now,
        )

    async def step(self, times: int = 1) -> None:
        for _ in range(times):
            await self._driver.step(self.work)  # type: ignore[arg-type]

    async def remind(self) -> None:
        await Reminders(lambda: self.now).step(self.work)  # type: ignore[arg-type]

    async def running(self) -> Run:
        await self.story.hear(examples.dataset_ingested())
        await self.step(3)
        return await self.run()

    async def run(self) -> Run:
        return (await self.story.runs.recent(None, limit=1))[0]

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)


async def test_run_is_submitted_once_with_the_code_it_is_bound_to() -> None:
    stage = Stage()

    run = await stage.running()

    (submission,) = stage.cluster.commands
    assert (run.state, submission) == (RunState.RUNNING, f"{run.run_id}-1")
    assert stage.cluster.commands[submission] == [
        *("python", "-m", "ray_jobs.bootstrap", "/store/code/c.zip", examples.digest("c"), "/cache"),
        *("ray_jobs.train", f"/store/runs/{run.run_id}/spec.json"),
    ]
    assert stage.cluster.environments[submission] == {
        "RAY_worker_niceness": "0",
        "EVERLOOP_OTLP_ENDPOINT": "http://collector",
    }
    assert stage.files.specs[run.run_id].dataset == examples.dataset().ref
    (started,) = stage.work.said
    assert isinstance(started, TrainingRunStarted)
    assert (started.attempt, started.run_id) == (1, run.run_id)


async def test_what_is_said_of_a_run_belongs_to_its_causes_story() -> None:
    stage = Stage()

    run = await stage.running()

    assert stage.work.causes == [run.origin]


async def test_nothing_is_submitted_while_causes_gather() -> None:
    stage = Stage(debounce=timedelta(days=2))

    run = await stage.running()

    assert (run.state, stage.cluster.jobs) == (RunState.DEBOUNCING, {})


async def test_run_takes_the_newest_data_and_champion_there_are_when_it_begins() -> None:
    stage = Stage()
    await stage.story.hear(examples.dataset_ingested(1))
    await stage.story.hear(examples.dataset_ingested(2))
    await stage.story.hear(examples.model_version_promoted(7))

    await stage.step(2)

    (started,) = stage.work.of(TrainingRunStarted)
    assert (started.dataset_version, started.champion_version) == (2, 7)


async def test_success_is_said_once() -> None:
    stage = Stage()
    run = await stage.running()
    stage.files.results[run.run_id] = examples.result()
    stage.cluster.end(run.submission_id, JobStatus.SUCCEEDED)
    stage.later(seconds=30)

    await stage.step(5)

    (succeeded,) = stage.work.of(TrainingRunSucceeded)
    assert (succeeded.run_id, succeeded.metrics, succeeded.duration_s) == (run.run_id, {"auc": 0.7}, 30)
    assert stage.work.of(TrainingRunStarted)[0].attempt == 1


async def test_crash_is_retried_under_a_new_name_until_attempts_are_used() -> None:
    stage = Stage(max_attempts=2)
    run = await stage.running()

    stage.cluster.end(f"{run.run_id}-1", JobStatus.FAILED, exit_code=1, last_words="killed")
    await stage.step(3)
    stage.cluster.end(f"{run.run_id}-2", JobStatus.FAILED, exit_code=1, last_words="killed again")
    await stage.step(3)

    assert [started.attempt for started in stage.work.of(TrainingRunStarted)] == [1, 2]
    (failed,) = stage.work.of(TrainingRunFailed)
    assert (failed.reason, failed.attempts, failed.detail) == (FailureReason.CRASHED, 2, "killed again")
    assert list(stage.cluster.jobs) == [f"{run.run_id}-1", f"{run.run_id}-2"]


async def test_refusal_by_the_job_is_final() -> None:
    stage = Stage()
    run = await stage.running()

    stage.cluster.end(run.submission_id, JobStatus.FAILED, exit_code=REFUSED_EXIT_CODE, last_words="too few rows")
    await stage.step(3)

    (failed,) = stage.work.of(TrainingRunFailed)
    assert (failed.reason, len(stage.cluster.jobs)) == (FailureReason.REJECTED, 1)


async def test_refusal_by_the_cluster_is_final() -> None:
    stage = Stage()
    stage.cluster.refuses = "no such resource"
    await stage.running()

    (failed,) = stage.work.of(TrainingRunFailed)
    assert failed.reason is FailureReason.REJECTED
    assert "no such resource" in failed.detail


async def test_overdue_attempt_is_stopped_and_retried() -> None:
    stage = Stage(timeout_s=60, max_attempts=2)
    run = await stage.running()
    await stage.step()

    stage.later(seconds=61)
    await stage.step(5)
    stage.later(seconds=61)
    await stage.step(5)

    assert stage.cluster.stopped == [f"{run.run_id}-1", f"{run.run_id}-2"]
    (failed,) = stage.work.of(TrainingRunFailed)
    assert failed.reason is FailureReason.TIMED_OUT


async def test_cancelled_run_ends_once_its_job_has() -> None:
    stage = Stage()
    run = await stage.running()

    await stage.story.hear(CancelTrainingRun(pipeline=examples.NAME, run_id=run.run_id, requested_by="ada"))
    await stage.step(3)

    assert stage.cluster.stopped == [run.submission_id]
    (failed,) = stage.work.of(TrainingRunFailed)
    assert (failed.reason, failed.detail) == (FailureReason.CANCELLED, "ada said so")


async def test_unreachable_cluster_loses_nothing() -> None:
    stage = Stage()
    stage.cluster.reachable = False
    await stage.story.hear(examples.dataset_ingested())
    await stage.step()
    for _ in range(3):
        with pytest.raises(TransientError, match="cluster unreachable"):
            await stage.step()

    stage.cluster.reachable = True
    await stage.step(2)

    assert (await stage.run()).state is RunState.RUNNING
    assert len(stage.work.of(TrainingRunStarted)) == 1


async def test_cluster_started_anew_has_the_job_started_again() -> None:
    stage = Stage()
    run = await stage.running()

    stage.cluster.forget()
    await stage.step(3)

    assert list(stage.cluster.jobs) == [f"{run.run_id}-2"]


async def test_run_that_cannot_go_on_holds_up_no_other() -> None:
    stage = Stage()
    other = examples.pipeline(name="trains")
    await stage.story.pipelines.save(other)
    await stage.story.hear(examples.dataset_ingested())
    await stage.story.hear(examples.dataset_ingested(name="trains"))
    await stage.step(3)
    first, second = await stage.story.runs.unfinished()
    stage.files.broken.add(first.run_id)
    for run in (first, second):
        stage.files.results[run.run_id] = examples.result()
        stage.cluster.end(run.submission_id, JobStatus.SUCCEEDED)

    with pytest.raises(ExceptionGroup):
        await stage.step()

    (succeeded,) = stage.work.of(TrainingRunSucceeded)
    assert succeeded.run_id == second.run_id


async def test_progress_is_said_when_the_stage_changes_and_else_now_and_then() -> None:
    stage = Stage()
    run = await stage.running()

    for seconds, name, fraction in [(0, "fit", 0.1), (1, "fit", 0.2), (1, "fit", 0.3), (0.1, "evaluate", 0.8)]:
        stage.later(seconds=seconds)
        stage.files.lines[run.run_id] = Progress(at=stage.now, stage=name, fraction=fraction)
        await stage.step(2)

    said = [(progress.stage, progress.fraction) for progress in stage.work.of(TrainingRunProgressed)]
    assert said == [("fit", 0.1), ("fit", 0.3), ("evaluate", 0.8)]


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


class Died(Exception):
    """The process is gone."""


def dies_before(method: Callable[..., Awaitable[Any]], fails_at: int) -> Callable[..., Awaitable[Any]]:
    """Have a call die the way a killed process does: what came before it happened, nothing after it did."""
    calls = 0

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise Died
        return await method(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("fails_at", range(1, 4))
@pytest.mark.parametrize(
    ("owner", "call"),
    [("cluster", "submit"), ("cluster", "job"), ("files", "write_spec"), ("files", "result"), ("runs", "save")],
)
async def test_death_between_any_two_steps_leaves_one_job_and_one_success(owner: str, call: str, fails_at: int) -> None:
    stage = Stage()
    await stage.story.hear(examples.dataset_ingested())
    target = {"cluster": stage.cluster, "files": stage.files, "runs": stage.story.runs}[owner]
    setattr(target, call, dies_before(getattr(target, call), fails_at))

    for _ in range(12):
        try:
            await stage.step()
        except ExceptionGroup:
            continue
        run = await stage.run()
        if run.submission_id in stage.cluster.jobs:
            stage.files.results[run.run_id] = examples.result()
            stage.cluster.end(run.submission_id, JobStatus.SUCCEEDED)

    assert (await stage.run()).state is RunState.SUCCEEDED
    assert list(stage.cluster.jobs) == [f"{(await stage.run()).run_id}-1"]
    assert len(stage.work.of(TrainingRunStarted)) == len(stage.work.of(TrainingRunSucceeded)) == 1


@pytest.mark.parametrize(("trainer", "cpus"), [(TrainerName.LIGHTGBM, 2), (TrainerName.TORCH, 0)])
async def test_only_a_trainer_inside_the_entrypoint_takes_its_place(trainer: TrainerName, cpus: float) -> None:
    stage = Stage()
    spec = (await stage.running()).pinned
    changed = spec.definition.trainer.model_copy(update={"name": trainer, "cpus_per_worker": 2})
    spec = spec.model_copy(update={"definition": spec.definition.model_copy(update={"trainer": changed})})

    assert entrypoint_cpus(spec) == cpus
