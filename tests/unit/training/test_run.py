"""A run's life, transition by transition."""

from datetime import timedelta

import pytest

from contracts.jobs import REFUSED_EXIT_CODE, Progress
from contracts.training import (
    FailureReason,
    TrainingRunFailed,
    TrainingRunProgressed,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.chassis.errors import RejectedError
from services.chassis.jobs import Job, JobStatus
from services.training.attempts import follow, stopped
from services.training.domain import specify
from services.training.run import Run, RunState
from tests.fakes.training import examples

LATER = examples.NOON + timedelta(minutes=10)


def running(*, max_attempts: int = 3) -> Run:
    run = examples.run()
    spec = specify(run, examples.pipeline(max_attempts=max_attempts), examples.dataset(), "/store/runs/x")
    return run.pin(spec).run.submitted(examples.NOON).run.begun(examples.NOON).run


def test_each_attempt_says_that_it_started() -> None:
    again = running().retry_or_fail(FailureReason.CRASHED, "out of memory", LATER).run

    after, (said,) = again.submitted(LATER)

    assert isinstance(said, TrainingRunStarted)
    assert (said.attempt, said.run_id, after.submission_id) == (2, after.run_id, f"{after.run_id}-2")


def test_crash_is_tried_again_until_attempts_are_used() -> None:
    run, said = follow(running(max_attempts=2), Job(JobStatus.FAILED, 1, "boom"), None, LATER)
    assert (run.state, run.attempt, said) == (RunState.SUBMITTING, 2, ())

    run, (failed,) = follow(run.submitted(LATER).run, Job(JobStatus.FAILED, 1, "boom"), None, LATER)

    assert run.state is RunState.FAILED
    assert failed == TrainingRunFailed(
        pipeline=run.pipeline, run_id=run.run_id, reason=FailureReason.CRASHED, detail="boom", attempts=2
    )


def test_spec_that_the_job_refuses_is_not_tried_again() -> None:
    run, (failed,) = follow(running(), Job(JobStatus.FAILED, REFUSED_EXIT_CODE, "too few rows"), None, LATER)

    assert run.state is RunState.FAILED
    assert isinstance(failed, TrainingRunFailed)
    assert (failed.reason, failed.detail) == (FailureReason.REJECTED, "too few rows")


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.UNKNOWN])
def test_report_makes_a_success_even_where_the_cluster_forgot_the_job(status: JobStatus) -> None:
    run, (said,) = follow(running(), Job(status), examples.result(), LATER)

    assert run.state is RunState.SUCCEEDED
    assert isinstance(said, TrainingRunSucceeded)
    assert (said.duration_s, said.report_digest) == (600, examples.digest("a"))


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.UNKNOWN])
def test_job_without_a_report_is_tried_again(status: JobStatus) -> None:
    assert follow(running(), Job(status), None, LATER).run.state is RunState.SUBMITTING


def test_job_stopped_by_others_counts_as_cancelled() -> None:
    run, (said,) = follow(running(), Job(JobStatus.STOPPED), None, LATER)

    assert run.state is RunState.CANCELLED
    assert isinstance(said, TrainingRunFailed)


def test_overdue_attempt_is_stopped_and_tried_again() -> None:
    stopping = follow(running(), Job(JobStatus.RUNNING), None, LATER).run
    assert stopping.state is RunState.STOPPING

    assert stopped(stopping, Job(JobStatus.RUNNING), LATER).run == stopping
    again = stopped(stopping, Job(JobStatus.STOPPED), LATER).run

    assert (again.state, again.attempt) == (RunState.SUBMITTING, 2)


def test_waiting_for_a_place_on_the_cluster_does_not_count_as_running() -> None:
    run = running().model_copy(update={"running_since": None})

    assert follow(run, Job(JobStatus.PENDING), None, LATER).run == run
    assert follow(run, Job(JobStatus.RUNNING), None, LATER).run.running_since == LATER


def test_overdue_attempts_end_as_timed_out() -> None:
    stopping = follow(running(max_attempts=1), Job(JobStatus.RUNNING), None, LATER).run

    run, (said,) = stopped(stopping, Job(JobStatus.STOPPED), LATER)

    assert run.state is RunState.FAILED
    assert isinstance(said, TrainingRunFailed)
    assert said.reason is FailureReason.TIMED_OUT


@pytest.mark.parametrize(
    ("state", "reason"),
    [(RunState.DEBOUNCING, FailureReason.CANCELLED), (RunState.AWAITING_APPROVAL, FailureReason.REJECTED)],
)
def test_cancelling_a_run_that_waits_ends_it_at_once(state: RunState, reason: FailureReason) -> None:
    run, (said,) = examples.run(state=state).cancel("ada", LATER)

    assert run.state.finished
    assert isinstance(said, TrainingRunFailed)
    assert (said.reason, said.attempts, said.detail) == (reason, 0, "ada said so")


def test_cancelling_a_running_job_waits_for_its_end() -> None:
    stopping, said = running().cancel("ada", LATER)
    assert (stopping.state, said) == (RunState.STOPPING, ())

    run, (failed,) = stopped(stopping, Job(JobStatus.SUCCEEDED), LATER)

    assert run.state is RunState.CANCELLED
    assert isinstance(failed, TrainingRunFailed)


def test_finished_run_cannot_be_cancelled() -> None:
    with pytest.raises(RejectedError, match="run finished"):
        running().succeed(examples.result(), LATER).run.cancel("ada", LATER)


def test_only_a_run_that_waits_can_be_approved() -> None:
    approved = examples.run(state=RunState.AWAITING_APPROVAL).approve("ada", LATER).run
    assert (approved.state, approved.ready_at, approved.approved_by) == (RunState.DEBOUNCING, LATER, "ada")

    with pytest.raises(RejectedError, match="run not awaiting approval"):
        approved.approve("ada", LATER)


def test_progress_is_kept_and_said() -> None:
    line = Progress(at=LATER, stage="fit", fraction=0.5, metrics={"auc": 0.6})

    run, (said,) = running().progressed(line, LATER)

    assert run.progress == line
    assert said == TrainingRunProgressed(
        pipeline=run.pipeline, run_id=run.run_id, stage="fit", fraction=0.5, metrics={"auc": 0.6}
    )


def test_run_survives_being_written_down() -> None:
    run = running().succeed(examples.result(), LATER).run

    assert Run.model_validate(run.model_dump(mode="json")) == run
