"""How a run is seen through, against a cluster in memory."""

from datetime import timedelta

import pytest

from contracts.jobs import Progress
from contracts.pipeline import TrainerName
from contracts.training import TrainingRunProgressed, TrainingRunStarted, TrainingRunSucceeded
from services.chassis.jobs import JobStatus
from services.training.driving import entrypoint_cpus
from services.training.run import RunState
from tests.fakes.training import examples
from tests.unit.training.stage import Stage


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


async def test_progress_is_said_when_the_stage_changes_and_else_now_and_then() -> None:
    stage = Stage()
    run = await stage.running()

    for seconds, name, fraction in [(0, "fit", 0.1), (1, "fit", 0.2), (1, "fit", 0.3), (0.1, "evaluate", 0.8)]:
        stage.later(seconds=seconds)
        stage.files.lines[run.run_id] = Progress(at=stage.now, stage=name, fraction=fraction)
        await stage.step(2)

    said = [(progress.stage, progress.fraction) for progress in stage.work.of(TrainingRunProgressed)]
    assert said == [("fit", 0.1), ("fit", 0.3), ("evaluate", 0.8)]


@pytest.mark.parametrize(("trainer", "cpus"), [(TrainerName.LIGHTGBM, 2), (TrainerName.TORCH, 0)])
async def test_only_a_trainer_inside_the_entrypoint_takes_its_place(trainer: TrainerName, cpus: float) -> None:
    stage = Stage()
    spec = (await stage.running()).pinned
    changed = spec.definition.trainer.model_copy(update={"name": trainer, "cpus_per_worker": 2})
    spec = spec.model_copy(update={"definition": spec.definition.model_copy(update={"trainer": changed})})

    assert entrypoint_cpus(spec) == cpus
