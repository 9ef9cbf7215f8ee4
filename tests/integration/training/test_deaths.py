"""Training killed with SIGKILL at every step of a run, then started again: one job, one run, one success."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.pipeline import TriggerKind
from contracts.training import (
    RetrainingEscalated,
    StartTrainingRun,
    TrainingRunSkipped,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from tests.fakes.folder_jobs import FolderJobs
from tests.fakes.training import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.training import job

# Messages in the order they are published: registered, started, succeeded.
PLACES = [
    "cluster.submit:before:1",
    "cluster.submit:after:1",
    "bus.publish:before:2",
    "files.result:after:1",
    "bus.publish:after:3",
]


@contextmanager
def process(world: World, *place: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "EVERLOOP_HOME": str(world.home),
        "EVERLOOP_NATS_URL": world.broker.url,
        "EVERLOOP_TRAINING_POLL_INTERVAL_S": "0.05",
    }
    command = [sys.executable, "-m", "tests.integration.training.mortal", str(world.home / "jobs"), *place]
    log = world.home / "training.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        running = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=Path.cwd())
    yield running
    running.kill()
    running.wait()


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
async def test_one_run_and_one_success_whenever_the_service_dies(sqlite_world: World, place: str) -> None:
    world, cluster = sqlite_world, FolderJobs(sqlite_world.home / "jobs")
    store_uri = str(world.home / "store")
    await world.publish(examples.register_pipeline(debounce=0))
    await world.publish(examples.dataset_ingested())

    def finish() -> list[str]:
        """Have the job end well as soon as there is one."""
        submissions = cluster.submissions()
        if submissions:
            job.succeed(cluster, store_uri, submissions[0])
        return submissions

    with process(world, place) as first:
        await eventually(lambda: finish() or first.poll() is not None, within_s=40)
        await eventually(lambda: first.poll() is not None, within_s=40)
        assert first.returncode == -9
    with process(world):
        await eventually(finish, within_s=40)
        await eventually(lambda: world.said(TrainingRunSucceeded), within_s=40)
        # What is heard after it shows that nothing of it is still to come.
        await world.publish(StartTrainingRun(pipeline=examples.NAME))
        await eventually(lambda: len(cluster.submissions()) == 2, within_s=40)

    succeeded, started = await world.said(TrainingRunSucceeded), await world.said(TrainingRunStarted)
    (run_id,) = (said.run_id for said in succeeded)
    assert [said.run_id for said in started].count(run_id) == 1
    assert sorted(name.rpartition("-")[2] for name in cluster.submissions()) == ["1", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["bus.publish:before:5", "bus.publish:after:5"])
async def test_person_is_told_once_and_what_waits_is_kept_whenever_the_service_dies(
    sqlite_world: World, place: str
) -> None:
    world, cluster = sqlite_world, FolderJobs(sqlite_world.home / "jobs")
    await world.publish(examples.register_pipeline(debounce=0, escalate_after=1))
    await world.publish(examples.dataset_ingested())

    with process(world, place) as first:
        await eventually(cluster.submissions, within_s=40)
        (submission,) = cluster.submissions()
        job.succeed(cluster, str(world.home / "store"), submission)
        await eventually(lambda: world.said(TrainingRunSucceeded), within_s=40)
        # Said: registered, started, succeeded, that quality waits for data, and that a person must look.
        await world.publish(examples.quality_degraded())
        await eventually(lambda: world.said(TrainingRunSkipped), within_s=40)
        await world.publish(examples.model_version_rejected(job.run_of(submission)))
        await eventually(lambda: first.poll() is not None, within_s=40)
    with process(world):
        await eventually(lambda: world.said(RetrainingEscalated), within_s=40)
        await world.publish(examples.dataset_ingested(2))

        async def begun_again() -> list[TrainingRunStarted]:
            return (await world.said(TrainingRunStarted))[1:]

        (again,) = await eventually(begun_again, within_s=40)

    assert len(await world.said(RetrainingEscalated)) == 1
    assert again.cause.kind is TriggerKind.QUALITY
