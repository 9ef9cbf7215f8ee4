"""The Jobs API of a real, small Ray, as training uses it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.chassis.errors import TransientError
from services.chassis.jobs import Job, JobStatus
from services.chassis.ray_jobs import RayJobs
from tests.fixtures.ray import RayHead, free_port
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture
async def cluster(ray_head: RayHead) -> AsyncIterator[RayJobs]:
    cluster = RayJobs(ray_head.url, timeout_s=60)
    yield cluster
    await cluster.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def ended(cluster: RayJobs, submission_id: str) -> Job:
    async def look() -> Job | None:
        job = await cluster.job(submission_id)
        return job if job.status.ended else None

    job = await eventually(look, within_s=120)
    assert job is not None
    return job


async def test_job_runs_with_its_words_quoted_and_its_variables_set(cluster: RayJobs) -> None:
    name = f"{uuid4()}-1"
    code = "import os; print('it is $HOME;', os.environ['TRACEPARENT']); [print('line', n) for n in range(500)]"

    await cluster.submit(name, python(code), cpus=0.5, environment={"TRACEPARENT": "00-ab-cd-01"})
    job = await ended(cluster, name)

    assert (job.status, job.exit_code) == (JobStatus.SUCCEEDED, 0)
    assert (await cluster.logs(name, lines=3)).splitlines() == ["line 497", "line 498", "line 499"]
    assert "it is $HOME; 00-ab-cd-01" in await cluster.logs(name, lines=1000)


async def test_failed_job_tells_its_exit_code_and_last_words(cluster: RayJobs) -> None:
    name = f"{uuid4()}-1"

    await cluster.submit(name, python("import sys; print('too few rows'); sys.exit(3)"), cpus=0, environment={})
    job = await ended(cluster, name)

    assert (job.status, job.exit_code) == (JobStatus.FAILED, 3)
    assert "too few rows" in job.last_words


async def test_name_is_taken_once_and_its_job_can_be_stopped(cluster: RayJobs, tmp_path: Path) -> None:
    name = f"{uuid4()}-1"
    started = tmp_path / "started"
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"

    await cluster.submit(name, python(code), cpus=0, environment={})
    with pytest.raises(TransientError, match="cluster failed"):
        await cluster.submit(name, python(code), cpus=0, environment={})
    await eventually(started.exists, within_s=120)
    assert (await cluster.job(name)).status is JobStatus.RUNNING
    await cluster.stop(name)

    assert (await ended(cluster, name)).status is JobStatus.STOPPED
    await cluster.stop(name)


async def test_unknown_job_is_unknown(cluster: RayJobs) -> None:
    assert await cluster.job("nobody-1") == Job(JobStatus.UNKNOWN)
    assert await cluster.logs("nobody-1", lines=10) == ""
    await cluster.stop("nobody-1")


async def test_absent_cluster_is_a_passing_trouble() -> None:
    cluster = RayJobs(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(TransientError, match="cluster unreachable"):
        await cluster.job("nobody-1")
    await cluster.close()
