"""What the state of its job on the cluster means for a run."""

from datetime import datetime
from typing import assert_never

from contracts.jobs import REFUSED_EXIT_CODE
from contracts.training import FailureReason
from services.chassis.jobs import Job, JobStatus
from services.training.run import Change, Result, Run


def follow(run: Run, job: Job, result: Result | None, now: datetime) -> Change:
    """Say what the state of its job means for a running run.

    Args:
        run: In the state running.
        job: Its current attempt on the cluster.
        result: What the run left in the store, looked up where the job no longer runs.
        now: The present.
    """
    match job.status:
        case JobStatus.PENDING:
            return run.unchanged()
        case JobStatus.RUNNING:
            if run.overdue(now):
                return run.stop(FailureReason.TIMED_OUT, f"ran longer than {run.pinned.definition.trainer.timeout_s} s")
            return run.unchanged() if run.running_since else run.begun(now)
        case JobStatus.SUCCEEDED | JobStatus.UNKNOWN if result:
            return run.succeed(result, now)
        case JobStatus.SUCCEEDED:
            return run.retry_or_fail(FailureReason.CRASHED, "the job ended well but left no readable report", now)
        case JobStatus.UNKNOWN:
            return run.retry_or_fail(FailureReason.CRASHED, "the cluster does not know the job any more", now)
        case JobStatus.FAILED if job.exit_code == REFUSED_EXIT_CODE:
            return run.fail(FailureReason.REJECTED, job.last_words, now)
        case JobStatus.FAILED:
            return run.retry_or_fail(FailureReason.CRASHED, job.last_words, now)
        case JobStatus.STOPPED:
            return run.fail(FailureReason.CANCELLED, "stopped on the cluster", now)
        case _:
            assert_never(job.status)


def stopped(run: Run, job: Job, now: datetime) -> Change:
    """Say what becomes of a stopping run, now that its job is seen again."""
    if not job.status.ended:
        return run.unchanged()
    reason = run.stop_reason or FailureReason.CANCELLED
    if reason is FailureReason.TIMED_OUT:
        return run.retry_or_fail(reason, run.detail, now)
    return run.fail(reason, run.detail, now)
