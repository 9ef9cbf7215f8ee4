"""Attempts that fail, are stopped or lost: which are made again, and which end the run."""

import pytest

from contracts.jobs import REFUSED_EXIT_CODE
from contracts.training import (
    CancelTrainingRun,
    FailureReason,
    TrainingRunFailed,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.chassis.errors import TransientError
from services.chassis.jobs import JobStatus
from services.training.run import RunState
from tests.fakes.training import examples
from tests.unit.training.stage import Stage


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
