"""What training does with each message it hears."""

from datetime import datetime
from uuid import UUID

from contracts.bundle import DatasetRef
from contracts.ingestion import DatasetIngested
from contracts.message import Message
from contracts.monitoring import DriftDetected, GroundTruthRecorded, QualityDegraded
from contracts.pipeline import TriggerKind
from contracts.registry import ModelVersionDemoted, ModelVersionPromoted, ModelVersionRejected
from contracts.training import (
    ApproveTrainingRun,
    CancelTrainingRun,
    PipelineRegistered,
    RegisterPipeline,
    StartTrainingRun,
)
from contracts.training import Cause as RunCause
from services.chassis.errors import MalformedError, RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.training.causes import Hearing
from services.training.domain import Dataset, HeardCause, Pipeline, check
from services.training.ports import Causes, Pipelines, Runs
from services.training.run import Run, Wishes
from services.training.verdicts import (
    escalate,
    known,
    note_degradation,
    on_model_version_demoted,
    on_model_version_promoted,
    on_model_version_rejected,
)


async def register_pipeline(command: RegisterPipeline, pipelines: Pipelines, cause: Cause) -> list[Message]:
    """Put a definition and its code in force; saying the same again changes nothing."""
    check(command.pipeline, command.definition)
    known = await pipelines.claim(command.pipeline)
    if known is None:
        pipeline = Pipeline(definition=command.definition, code=command.code, registered_at=cause.received_at)
    elif (known.definition, known.code) == (command.definition, command.code):
        return []
    else:
        change = {"definition": command.definition, "code": command.code, "registered_at": cause.received_at}
        pipeline = known.model_copy(update={**change, "revision": known.revision + 1})
    await pipelines.save(pipeline)
    return [PipelineRegistered(pipeline=command.pipeline, definition=command.definition, code=command.code)]


async def on_dataset_ingested(
    event: DatasetIngested, pipelines: Pipelines, runs: Runs, causes: Causes, cause: Cause
) -> list[Message]:
    """Keep the version; let a cause that waited for it have its run, and count the version as one itself."""
    pipeline = await known(event.pipeline, pipelines)
    ref = DatasetRef(
        version=event.dataset_version,
        digest=event.dataset_digest,
        table_uri=event.table_uri,
        delta_version=event.delta_version,
    )
    dataset = Dataset(ref=ref, rows=event.rows, new_rows=event.new_rows, last_event=event.last_event)
    await pipelines.add_dataset(pipeline.name, dataset)
    hearing = Hearing(pipelines, runs, causes, cause.received_at)
    reason = f"dataset version {event.dataset_version} with {event.new_rows} new rows"
    heard = _heard(pipeline, cause, TriggerKind.DATA, event.last_event, reason)
    return [*await hearing.ripen(pipeline), *await hearing.hear(heard, pipeline)]


async def on_drift_detected(
    event: DriftDetected, pipelines: Pipelines, runs: Runs, causes: Causes, cause: Cause
) -> list[Message]:
    """Count drift as a cause, at the end of its window."""
    pipeline = await known(event.pipeline, pipelines)
    reason = (
        f"{event.drift.value} drift of version {event.version}: "
        f"{event.shifts[0].feature} moved most, {event.statistic:.3g} over {event.threshold:.3g}"
    )
    heard = _heard(pipeline, cause, TriggerKind.DRIFT, event.window_end, reason)
    return await Hearing(pipelines, runs, causes, cause.received_at).hear(heard, pipeline)


async def on_quality_degraded(
    event: QualityDegraded, pipelines: Pipelines, runs: Runs, causes: Causes, cause: Cause
) -> list[Message]:
    """Count a loss of quality as a cause, at the end of its window."""
    pipeline = await known(event.pipeline, pipelines)
    reason = (
        f"{event.metric} of version {event.version} fell to {event.value:.4g} "
        f"({event.low:.4g} to {event.high:.4g}) from {event.reference:.4g}"
    )
    pipeline = await note_degradation(event, reason, pipeline, pipelines)
    heard = _heard(pipeline, cause, TriggerKind.QUALITY, event.window_end, reason)
    decided = await Hearing(pipelines, runs, causes, cause.received_at).hear(heard, pipeline)
    return [*decided, *await escalate(pipeline, pipelines, runs)]


async def on_ground_truth_recorded(
    event: GroundTruthRecorded, pipelines: Pipelines, runs: Runs, causes: Causes, cause: Cause
) -> list[Message]:
    """Count labels; enough of them since the last run are a cause."""
    pipeline = await known(event.pipeline, pipelines)
    if event.total > pipeline.labels:
        pipeline = pipeline.model_copy(update={"labels": event.total})
        await pipelines.save(pipeline)
    heard = _heard(pipeline, cause, TriggerKind.LABELS, event.latest_observation, f"{event.total} labels in all")
    return await Hearing(pipelines, runs, causes, cause.received_at).hear(heard, pipeline)


async def start_run(
    command: StartTrainingRun, pipelines: Pipelines, runs: Runs, causes: Causes, cause: Cause
) -> list[Message]:
    """Count a person's wish as a cause that needs no trigger."""
    pipeline = await pipelines.claim(command.pipeline)
    if pipeline is None:
        # Unlike a fact's, its pipeline cannot be registered while it waits: commands are obeyed one after another.
        raise MalformedError("pipeline_unknown", pipeline=command.pipeline)
    newest = await pipelines.dataset(pipeline.name)
    reason = f"{command.requested_by}: {command.reason}"[:1000]
    heard = _heard(pipeline, cause, TriggerKind.PERSON, newest.last_event if newest else None, reason)
    wishes = Wishes(dataset_version=command.dataset_version, parameters=command.parameters, seed=command.seed)
    return await Hearing(pipelines, runs, causes, cause.received_at).hear(
        heard.model_copy(update={"wishes": wishes}), pipeline
    )


async def approve_run(command: ApproveTrainingRun, runs: Runs, cause: Cause) -> list[Message]:
    """Let a run begin that waits for a person."""
    run = await _run(command.run_id, command.pipeline, runs)
    change = run.approve(command.approved_by, cause.received_at)
    await runs.save(change.run)
    return list(change.says)


async def cancel_run(command: CancelTrainingRun, runs: Runs, cause: Cause) -> list[Message]:
    """Stop a run, or refuse one that waits for a person."""
    run = await _run(command.run_id, command.pipeline, runs)
    change = run.cancel(command.requested_by, cause.received_at)
    await runs.save(change.run)
    return list(change.says)


async def _run(run_id: UUID, pipeline: str, runs: Runs) -> Run:
    run = await runs.claim(run_id)
    if run is None or run.pipeline != pipeline:
        raise RejectedError("run_not_found", pipeline=pipeline, run_id=run_id)
    return run


def _heard(pipeline: Pipeline, cause: Cause, kind: TriggerKind, as_of: datetime | None, reason: str) -> HeardCause:
    why = RunCause(kind=kind, message_id=cause.message_id, as_of=as_of, reason=reason)
    return HeardCause(pipeline=pipeline.name, cause=why, origin=cause, heard_at=cause.received_at)


SUBSCRIPTIONS = (
    Subscription(RegisterPipeline, register_pipeline),
    Subscription(StartTrainingRun, start_run),
    Subscription(ApproveTrainingRun, approve_run),
    Subscription(CancelTrainingRun, cancel_run),
    Subscription(DatasetIngested, on_dataset_ingested),
    Subscription(DriftDetected, on_drift_detected),
    Subscription(QualityDegraded, on_quality_degraded),
    Subscription(GroundTruthRecorded, on_ground_truth_recorded),
    Subscription(ModelVersionPromoted, on_model_version_promoted),
    Subscription(ModelVersionRejected, on_model_version_rejected),
    Subscription(ModelVersionDemoted, on_model_version_demoted),
)
