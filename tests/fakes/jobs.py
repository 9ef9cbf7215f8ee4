"""A cluster in memory whose jobs do what a test says, and which can be cut off."""

from collections.abc import Mapping, Sequence

from services.chassis.errors import RejectedError, TransientError
from services.chassis.jobs import Job, JobStatus


class InMemoryJobs:
    """Jobs begin as running. Submitting a name twice fails, as Ray does it: ask first."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.commands: dict[str, list[str]] = {}
        self.environments: dict[str, dict[str, str]] = {}
        self.reachable = True
        self.refuses: str | None = None
        self.stopped: list[str] = []

    async def submit(
        self, submission_id: str, command: Sequence[str], *, cpus: float, environment: Mapping[str, str]
    ) -> None:
        self._reach()
        if self.refuses:
            raise RejectedError("job_refused", detail=self.refuses)
        if submission_id in self.jobs:
            raise TransientError("cluster_failed", status=500)
        self.jobs[submission_id] = Job(JobStatus.RUNNING)
        self.commands[submission_id] = list(command)
        self.environments[submission_id] = dict(environment)

    async def job(self, submission_id: str) -> Job:
        self._reach()
        return self.jobs.get(submission_id, Job(JobStatus.UNKNOWN))

    async def stop(self, submission_id: str) -> None:
        self._reach()
        self.stopped.append(submission_id)
        if submission_id in self.jobs and not self.jobs[submission_id].status.ended:
            self.jobs[submission_id] = Job(JobStatus.STOPPED)

    async def logs(self, submission_id: str, *, lines: int) -> str:
        self._reach()
        said = self.jobs[submission_id].last_words if submission_id in self.jobs else ""
        return "\n".join(said.splitlines()[-lines:])

    def end(self, submission_id: str, status: JobStatus, *, exit_code: int | None = None, last_words: str = "") -> None:
        """Have a job end."""
        self.jobs[submission_id] = Job(status, exit_code, last_words)

    def forget(self) -> None:
        """Lose every job, as a cluster that was started anew has."""
        self.jobs.clear()

    def _reach(self) -> None:
        if not self.reachable:
            raise TransientError("cluster_unreachable")
