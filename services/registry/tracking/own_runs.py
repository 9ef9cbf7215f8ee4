"""Everloop's own training runs among all others: in the experiment named like their pipeline.

What is heard of a run may come in any order, so whatever comes first makes the run, and an end stays the end.
Nothing is refused: a run is written down even where a person has put it away meanwhile.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from json import dumps
from uuid import UUID

from contracts.message import Message
from contracts.training import FailureReason, TrainingRunFailed, TrainingRunStarted, TrainingRunSucceeded
from services.chassis.errors import RejectedError
from services.registry.tracking import experiments, facts, runs
from services.registry.tracking.domain import DATASET_CONTEXT, Dataset, DatasetInput, Experiment, Metric, Run, RunStatus
from services.registry.tracking.limits import LONGEST_DATASET_DIGEST
from services.registry.tracking.ports import Experiments, Log, Runs

USER = "everloop"


async def start(
    event: TrainingRunStarted, kept: Experiments, all_runs: Runs, log: Log, *, at: datetime
) -> list[Message]:
    """Write down that a run began, with what decides its outcome."""
    run, said = await _run(event.pipeline, event.run_id, kept, all_runs, at=at)
    known = {
        "mlflow.source.git.commit": event.commit,
        "everloop.cause": event.cause.kind.value,
        "everloop.reason": event.cause.reason,
        "everloop.attempt": event.attempt,
        "everloop.code_digest": event.code_digest,
        "everloop.dataset_version": event.dataset_version,
        "everloop.champion_version": event.champion_version,
    }
    params = {name: str(value) for name, value in event.parameters.items()}
    if event.seed is not None:
        params["seed"] = str(event.seed)
    if params:
        await log.add_params(run.id, params)
    tags = await log.set_tags(run.id, _texts(known))
    data = await log.add_datasets(run, [_data(event)])
    return [*said, *facts.logged(run, params=params, tags=tags), *facts.linked(run, datasets=data)]


async def succeed(
    event: TrainingRunSucceeded, kept: Experiments, all_runs: Runs, log: Log, *, at: datetime
) -> list[Message]:
    """Write down that a run succeeded, and how good its model is."""
    began = at - timedelta(seconds=event.duration_s)
    run, said = await _run(event.pipeline, event.run_id, kept, all_runs, at=began)
    run, ended = await _ended(run, RunStatus.FINISHED, all_runs, at=at)
    metrics = [Metric(name, value, _ms(at)) for name, value in event.metrics.items()]
    if metrics:
        await log.add_metrics(run, metrics)
    known = {"everloop.bundle_uri": event.bundle_uri, "everloop.bundle_digest": event.bundle_digest}
    tags = await log.set_tags(run.id, _texts(known))
    return [*said, *ended, *facts.logged(run, metrics=metrics, tags=tags)]


async def fail(event: TrainingRunFailed, kept: Experiments, all_runs: Runs, log: Log, *, at: datetime) -> list[Message]:
    """Write down that a run failed, or that somebody stopped it, and why."""
    run, said = await _run(event.pipeline, event.run_id, kept, all_runs, at=at)
    status = RunStatus.KILLED if event.reason is FailureReason.CANCELLED else RunStatus.FAILED
    run, ended = await _ended(run, status, all_runs, at=at)
    known = {"everloop.failure": event.reason.value, "everloop.detail": event.detail}
    return [*said, *ended, *facts.logged(run, tags=await log.set_tags(run.id, _texts(known)))]


async def _run(
    pipeline: str, run_id: UUID, kept: Experiments, all_runs: Runs, *, at: datetime
) -> tuple[Run, list[Message]]:
    known = await all_runs.hold(run_id.hex)
    if known:
        return known, []
    experiment, said = await _experiment(pipeline, kept, at)
    run = Run(
        id=run_id.hex,
        experiment_id=experiment.id,
        pipeline=experiment.pipeline,
        name=f"{pipeline}-{run_id.hex[:8]}",
        user=USER,
        status=RunStatus.RUNNING,
        started_ms=_ms(at),
        artifact_uri=f"{experiment.artifact_location}/{run_id.hex}/artifacts",
    )
    source = {"mlflow.user": USER, "mlflow.source.type": "JOB", "mlflow.source.name": pipeline}
    return run, [*said, *await runs.create(run, all_runs, tags={**source, "everloop.run_id": str(run_id)})]


async def _experiment(pipeline: str, kept: Experiments, at: datetime) -> tuple[Experiment, list[Message]]:
    known = await kept.named(pipeline)
    if known:
        return known, []
    tags = {"everloop.pipeline": pipeline}
    try:
        experiment, created = await experiments.create(pipeline, kept, at_ms=_ms(at), tags=tags)
    except RejectedError:
        # Another fact about the pipeline is heard at this moment.
        return await experiments.find_named(pipeline, kept), []
    return experiment, [created]


async def _ended(run: Run, status: RunStatus, all_runs: Runs, *, at: datetime) -> tuple[Run, list[Message]]:
    now = replace(run, status=status, ended_ms=_ms(at))
    return now, await runs.change(run, now, all_runs)


def _data(event: TrainingRunStarted) -> DatasetInput:
    source = dumps({"uri": event.dataset_uri, "version": event.dataset_version, "digest": event.dataset_digest})
    digest = event.dataset_digest.rpartition(":")[2][:LONGEST_DATASET_DIGEST]
    return DatasetInput(Dataset(event.pipeline, digest, "everloop", source), {DATASET_CONTEXT: "training"})


def _texts(tags: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in tags.items() if value not in (None, "")}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
