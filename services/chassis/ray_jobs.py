"""Jobs on Ray, through its Jobs API over HTTP: no import of Ray, nothing that blocks."""

import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import httpx
from pydantic import BaseModel, BeforeValidator

from services.chassis.errors import RejectedError, TransientError
from services.chassis.jobs import Job, JobStatus

LAST_LINES = 40
MAX_LOG_BYTES = 256 * 1024
DETAIL_CHARACTERS = 300


class SeenJob(BaseModel):
    """What Ray tells of a job, as far as it matters here."""

    submission_id: str
    status: Annotated[JobStatus, BeforeValidator(str.lower)]
    message: str | None = None
    driver_exit_code: int | None = None
    driver_node_id: str | None = None


class RayJobs:
    """Jobs on Ray. A job's name is its submission id."""

    def __init__(self, url: str, *, token_path: Path | None = None, timeout_s: float = 15) -> None:
        """Prepare, without connecting yet.

        Args:
            url: Base URL of the dashboard, which serves the Jobs API.
            token_path: File with the cluster's token, read at each request as Ray may write it later than we start.
            timeout_s: Longest wait for one answer.
        """
        self._url = url
        self._token_path = token_path
        # The cluster is inside: what the environment says of proxies is for the world outside.
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout_s, trust_env=False)

    async def submit(
        self, submission_id: str, command: Sequence[str], *, cpus: float, environment: Mapping[str, str]
    ) -> None:
        """Start a job. A name that Ray has seen is answered with 500 like any failure of its own: ask first.

        Raises:
            RejectedError: Ray calls the request wrong.
            TransientError: Ray did not take it, or cannot be reached.
        """
        job = {
            "entrypoint": shlex.join(command),
            "submission_id": submission_id,
            "runtime_env": {"env_vars": dict(environment)},
            # Unset, Ray runs the entrypoint on its head node and counts nothing for it.
            "entrypoint_num_cpus": cpus or None,
        }
        async with self._answer("POST", "/api/jobs/", json=job) as answer:
            if answer.status_code == httpx.codes.BAD_REQUEST:
                raise RejectedError("job_refused", detail=await _detail(answer))
            await _require_success(answer)

    async def job(self, submission_id: str) -> Job:
        """Look a job up, with its last words if it failed.

        Raises:
            TransientError: Ray cannot be reached, or cannot say.
        """
        seen = await self._look_up(submission_id)
        if seen is None:
            return Job(JobStatus.UNKNOWN)
        if seen.status is not JobStatus.FAILED:
            return Job(seen.status, seen.driver_exit_code)
        words = await self._end_of_log(seen, lines=LAST_LINES)
        return Job(seen.status, seen.driver_exit_code, words or seen.message or "")

    async def stop(self, submission_id: str) -> None:
        """Have a job stopped; one that has ended, or is not known, stays as it is.

        Raises:
            TransientError: Ray cannot be reached, or could not stop it.
        """
        async with self._answer("POST", f"{_path(submission_id)}/stop") as answer:
            if answer.status_code != httpx.codes.NOT_FOUND:
                await _require_success(answer)

    async def logs(self, submission_id: str, *, lines: int) -> str:
        """Read the last lines a job wrote; empty if Ray has none.

        Raises:
            TransientError: Ray cannot be reached.
        """
        seen = await self._look_up(submission_id)
        return await self._end_of_log(seen, lines=lines) if seen else ""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _look_up(self, submission_id: str) -> SeenJob | None:
        async with self._answer("GET", _path(submission_id)) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND and "does not exist" in await _detail(answer):
                return None
            await _require_success(answer)
            return SeenJob.model_validate_json(await answer.aread())

    async def _end_of_log(self, seen: SeenJob, *, lines: int) -> str:
        # Of the two places that serve a job's log only this one can be asked for its end. It takes a submission id
        # too, and then fails for jobs that never called ray.init (Ray 2.60).
        query = {
            "node_id": seen.driver_node_id or "",
            "filename": f"job-driver-{seen.submission_id}.log",
            "lines": str(lines),
            "filter_ansi_code": "true",
        }
        content = b""
        async with self._answer("GET", "/api/v0/logs/file", params=query) as answer:
            if answer.is_success:
                async for chunk in answer.aiter_bytes():
                    content = (content + chunk)[-MAX_LOG_BYTES:]
        return content.decode(errors="replace").strip()

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, json: object = None, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with self._client.stream(
                method, path, json=json, params=params, headers=self._authorization()
            ) as answer:
                yield answer
        except httpx.TransportError as error:
            raise TransientError("cluster_unreachable", url=self._url, detail=type(error).__name__) from error

    def _authorization(self) -> dict[str, str]:
        if self._token_path is None or not self._token_path.is_file():
            return {}
        return {"Authorization": f"Bearer {self._token_path.read_text().strip()}"}


def _path(submission_id: str) -> str:
    return f"/api/jobs/{quote(submission_id, safe='')}"


async def _require_success(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise TransientError("cluster_failed", status=answer.status_code, detail=await _detail(answer))


async def _detail(answer: httpx.Response) -> str:
    """Read the end of an answer's text: of Ray's tracebacks the last line says what happened."""
    await answer.aread()
    return answer.text.strip()[-DETAIL_CHARACTERS:]
