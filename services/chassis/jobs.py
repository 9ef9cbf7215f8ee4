"""Jobs on a cluster: what is asked of one, and what it says of a job. Implemented by `ray_jobs`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class JobStatus(StrEnum):
    """What the cluster says of a job."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the job runs no more, and never will."""
        return self not in (JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the cluster sees it."""

    status: JobStatus
    exit_code: int | None = None
    last_words: str = ""


class Jobs(Protocol):
    """Where jobs run. Every call may raise ``TransientError`` while it cannot be reached."""

    async def submit(
        self, submission_id: str, command: Sequence[str], *, cpus: float, environment: Mapping[str, str]
    ) -> None:
        """Start a job under a name the cluster has not seen.

        Raises:
            RejectedError: The cluster refuses such a job, now and later.
        """

    async def job(self, submission_id: str) -> Job:
        """Look a job up. One the cluster never had, or has forgotten, is unknown."""

    async def stop(self, submission_id: str) -> None:
        """Have a job stopped, soon; one that has ended stays as it is."""

    async def logs(self, submission_id: str, *, lines: int) -> str:
        """Read the last lines a job wrote; empty if there are none any more."""


def job_environment(*, traceparent: str | None, otlp_endpoint: str | None) -> dict[str, str]:
    """Write the variables that every job finds itself with."""
    # By default Ray starts workers at nice 15, where they starve beside services.
    variables = {"RAY_worker_niceness": "0"}
    if traceparent:
        variables["TRACEPARENT"] = traceparent
    if otlp_endpoint:
        variables["EVERLOOP_OTLP_ENDPOINT"] = otlp_endpoint
    return variables
