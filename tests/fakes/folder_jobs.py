"""A cluster whose jobs are files in a folder, so that it outlives the service that submits to it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.chassis.errors import TransientError
from services.chassis.jobs import Job, JobStatus


class FolderJobs:
    """Jobs begin as running and end when a test says so. Submitting a name twice fails, as Ray does it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def submit(
        self, submission_id: str, command: Sequence[str], *, cpus: float, environment: Mapping[str, str]
    ) -> None:
        path = self._path(submission_id)
        whole = path.with_suffix(".submitted")
        whole.write_text(json.dumps({"status": "running", "command": list(command), "environment": dict(environment)}))
        try:
            # Whoever looks at the folder sees the whole job or none.
            os.link(whole, path)
        except FileExistsError as error:
            raise TransientError("cluster_failed", status=500) from error
        finally:
            whole.unlink()

    async def job(self, submission_id: str) -> Job:
        path = self._path(submission_id)
        if not path.exists():
            return Job(JobStatus.UNKNOWN)
        seen = json.loads(path.read_text())
        return Job(JobStatus(seen["status"]), seen.get("exit_code"), seen.get("last_words", ""))

    async def stop(self, submission_id: str) -> None:
        self.end(submission_id, JobStatus.STOPPED)

    async def logs(self, submission_id: str, *, lines: int) -> str:
        return "\n".join(f"line {number}" for number in range(1000))[-lines * 9 :]

    def submissions(self) -> list[str]:
        """Name every job there was."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def environment(self, submission_id: str) -> dict[str, str]:
        """Read the variables that a job was given."""
        given: dict[str, str] = json.loads(self._path(submission_id).read_text())["environment"]
        return given

    def end(self, submission_id: str, status: JobStatus, **how: object) -> None:
        """Have a job end."""
        path = self._path(submission_id)
        ended = path.with_suffix(".ended")
        ended.write_text(json.dumps({**json.loads(path.read_text()), "status": status.value, **how}))
        ended.replace(path)

    def _path(self, submission_id: str) -> Path:
        return self._folder / f"{submission_id}.json"
