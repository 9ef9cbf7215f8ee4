"""What the facts about experiments and runs say of the state."""

from dataclasses import replace

from contracts.message import Message
from contracts.tracking import (
    DatasetUse,
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentRestored,
    ExperimentTagged,
    MetricPoint,
    RunCreated,
    RunDeleted,
    RunLinked,
    RunLogged,
    RunRestored,
    RunUpdated,
)
from services.chassis.subscriptions import Subscription
from services.registry.past.ports import KnownExperiments
from services.registry.tracking.domain import (
    Dataset,
    DatasetInput,
    Experiment,
    Metric,
    ModelOutput,
    Run,
    RunStatus,
    Stage,
)
from services.registry.tracking.experiments import find as find_experiment
from services.registry.tracking.ports import Experiments, Log, Runs
from services.registry.tracking.runs import find as find_run

NAN = float("nan")


async def experiment_created(event: ExperimentCreated, experiments: KnownExperiments) -> list[Message]:
    """Add an experiment under the number it was given."""
    experiment = Experiment(
        id=event.experiment_id,
        name=event.name,
        pipeline=event.pipeline,
        artifact_location=event.artifact_location,
        stage=Stage.ACTIVE,
        created_ms=event.at_ms,
        updated_ms=event.at_ms,
        tags=event.tags,
    )
    await experiments.add(experiment)
    return []


async def experiment_renamed(event: ExperimentRenamed, experiments: Experiments) -> list[Message]:
    """Give it another name."""
    experiment = await find_experiment(event.experiment_id, experiments)
    await experiments.put(experiment.renamed(event.name, event.at_ms))
    return []


async def experiment_deleted(event: ExperimentDeleted, experiments: Experiments, runs: Runs) -> list[Message]:
    """Put it away with its runs."""
    await _stage(event.experiment_id, Stage.DELETED, event.at_ms, experiments, runs)
    return []


async def experiment_restored(event: ExperimentRestored, experiments: Experiments, runs: Runs) -> list[Message]:
    """Have it back with its runs."""
    await _stage(event.experiment_id, Stage.ACTIVE, event.at_ms, experiments, runs)
    return []


async def experiment_tagged(event: ExperimentTagged, experiments: Experiments) -> list[Message]:
    """Change its tags."""
    for tag in event.tags:
        await experiments.set_tag(event.experiment_id, tag.key, tag.value)
    return []


async def run_created(event: RunCreated, runs: Runs) -> list[Message]:
    """Add a run."""
    run = Run(
        id=event.run_id,
        experiment_id=event.experiment_id,
        pipeline=event.pipeline,
        name=event.state.name,
        user=event.user,
        status=RunStatus(event.state.status),
        started_ms=event.started_ms,
        artifact_uri=event.artifact_uri,
        ended_ms=event.state.ended_ms,
    )
    await runs.add(run, event.tags)
    return []


async def run_updated(event: RunUpdated, runs: Runs) -> list[Message]:
    """Change its name, status and end."""
    run, state = await find_run(event.run_id, runs), event.state
    await runs.put(replace(run, name=state.name, status=RunStatus(state.status), ended_ms=state.ended_ms))
    return []


async def run_logged(event: RunLogged, runs: Runs, log: Log) -> list[Message]:
    """Add parameters and points, change tags."""
    run = await find_run(event.run_id, runs)
    if event.params:
        await log.add_params(run.id, event.params)
    if event.metrics:
        await log.add_metrics(run, [_metric(point) for point in event.metrics])
    if event.tags:
        await log.set_tags(run.id, {tag.key: tag.value for tag in event.tags})
    return []


async def run_linked(event: RunLinked, runs: Runs, log: Log) -> list[Message]:
    """Note which data and models it used, and which models it made."""
    run = await find_run(event.run_id, runs)
    await log.add_datasets(run, [_use(use) for use in event.datasets])
    made = [ModelOutput(each.model_id, each.step) for each in event.models_made]
    await log.add_models(run.id, used=event.models_used, made=made)
    return []


async def run_deleted(event: RunDeleted, runs: Runs) -> list[Message]:
    """Put it away."""
    run = await find_run(event.run_id, runs)
    await runs.put(replace(run, stage=Stage.DELETED, deleted_ms=event.at_ms))
    return []


async def run_restored(event: RunRestored, runs: Runs) -> list[Message]:
    """Have it back."""
    run = await find_run(event.run_id, runs)
    await runs.put(replace(run, stage=Stage.ACTIVE, deleted_ms=None))
    return []


async def _stage(experiment_id: str, stage: Stage, at_ms: int, experiments: Experiments, runs: Runs) -> None:
    experiment = await find_experiment(experiment_id, experiments)
    await experiments.put(experiment.staged(stage, at_ms))
    await runs.stage_all(experiment.id, stage, at_ms)


def _metric(point: MetricPoint) -> Metric:
    value = NAN if point.value is None else point.value
    about = (point.model_id, point.dataset_name, point.dataset_digest)
    return Metric(point.key, value, point.timestamp_ms, point.step, *about)


def _use(use: DatasetUse) -> DatasetInput:
    described = (use.name, use.digest, use.source_type, use.source, use.columns, use.profile)
    return DatasetInput(Dataset(*described), use.tags)


REPLAYED = (
    Subscription(ExperimentCreated, experiment_created),
    Subscription(ExperimentRenamed, experiment_renamed),
    Subscription(ExperimentDeleted, experiment_deleted),
    Subscription(ExperimentRestored, experiment_restored),
    Subscription(ExperimentTagged, experiment_tagged),
    Subscription(RunCreated, run_created),
    Subscription(RunUpdated, run_updated),
    Subscription(RunLogged, run_logged),
    Subscription(RunLinked, run_linked),
    Subscription(RunDeleted, run_deleted),
    Subscription(RunRestored, run_restored),
)
