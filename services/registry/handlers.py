"""What the registry does about each message it hears."""

from contracts.message import Message
from contracts.registered_models import DeclareModelGates, WaiveModelVersionGates
from contracts.registry import ApproveModelVersion, ImportModelVersion, RejectModelVersion, RollBackModel
from contracts.serving import RolloutRolledBack
from contracts.training import PipelineRegistered, TrainingRunFailed, TrainingRunStarted, TrainingRunSucceeded
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.registry import decisions
from services.registry.domain import Inspection, Model
from services.registry.models import champions, declaring, naming, waiving
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.ports import AliasHistory, Inspections, Models, Versions
from services.registry.tracking import own_runs
from services.registry.tracking.ports import Experiments, Log, Runs


async def on_pipeline_registered(
    event: PipelineRegistered, models: Models, history: AliasHistory, cause: Cause
) -> list[Message]:
    """Keep the gates and the policy that are in force from now on."""
    known = await models.get(event.pipeline)
    await models.put(Model(event.pipeline, event.definition, registered_at=cause.said_at))
    return [] if known else await naming.adopt(event.pipeline, history, at=cause.said_at)


async def on_run_started(
    event: TrainingRunStarted, experiments: Experiments, runs: Runs, log: Log, cause: Cause
) -> list[Message]:
    """Show the run among those that people log."""
    return await own_runs.start(event, experiments, runs, log, at=cause.said_at)


async def on_run_succeeded(
    event: TrainingRunSucceeded,
    inspections: Inspections,
    experiments: Experiments,
    runs: Runs,
    log: Log,
    cause: Cause,
) -> list[Message]:
    """Have the run's bundle read; a run is inspected once, however often it is said to have succeeded."""
    await inspections.add(Inspection(f"run:{event.run_id}", event, cause, due_at=cause.received_at))
    return await own_runs.succeed(event, experiments, runs, log, at=cause.said_at)


async def on_run_failed(
    event: TrainingRunFailed, experiments: Experiments, runs: Runs, log: Log, cause: Cause
) -> list[Message]:
    """Show how the run ended."""
    return await own_runs.fail(event, experiments, runs, log, at=cause.said_at)


async def on_rollout_rolled_back(
    event: RolloutRolledBack,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    named: NamedModels,
    named_versions: NamedVersions,
    cause: Cause,
) -> list[Message]:
    """Let the champion be the version that answers."""
    model = await named.hold_key(event.pipeline)
    if model and not model.is_pipeline:
        return await champions.demote(event, named_versions, history, cause, by=decisions.SERVING)
    return await decisions.demote(event, models, versions, history, at=cause.received_at)


async def approve_version(
    command: ApproveModelVersion, models: Models, versions: Versions, history: AliasHistory, cause: Cause
) -> list[Message]:
    """Count an approval of a version that waits for one."""
    try:
        return await decisions.approve(command, models, versions, history, at=cause.received_at)
    except RejectedError as error:
        return [decisions.refuse_command(command, cause.message_id, error)]


async def reject_version(
    command: RejectModelVersion, models: Models, versions: Versions, history: AliasHistory, cause: Cause
) -> list[Message]:
    """Refuse a version that waits for a person."""
    try:
        return await decisions.reject(command, models, versions, history, at=cause.received_at)
    except RejectedError as error:
        return [decisions.refuse_command(command, cause.message_id, error)]


async def roll_back_model(
    command: RollBackModel,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    named: NamedModels,
    named_versions: NamedVersions,
    inspections: Inspections,
    cause: Cause,
) -> list[Message]:
    """Choose the version to go back to, and have its bundle read before it is champion again."""
    try:
        version = await champions.choose_rollback(
            command, named, named_versions, history
        ) or await decisions.choose_rollback(command, models, versions, history, at=cause.received_at)
    except RejectedError as error:
        return [decisions.refuse_command(command, cause.message_id, error)]
    chosen = command.model_copy(update={"to_version": version.number})
    await inspections.add(Inspection(f"rollback:{cause.message_id}", chosen, cause, due_at=cause.received_at))
    return []


async def import_version(command: ImportModelVersion, inspections: Inspections, cause: Cause) -> list[Message]:
    """Have what came from another registry read."""
    await inspections.add(Inspection(f"import:{cause.message_id}", command, cause, due_at=cause.received_at))
    return []


async def waive_gates(
    command: WaiveModelVersionGates, models: NamedModels, versions: NamedVersions, cause: Cause
) -> list[Message]:
    """Let a person answer for a version that no gate can judge."""
    return await waiving.waive(command, models, versions, cause)


async def declare_gates(command: DeclareModelGates, models: NamedModels, cause: Cause) -> list[Message]:
    """Hold what is only logged against other gates from now on."""
    return await declaring.declare(command, models, cause)


SUBSCRIPTIONS = (
    Subscription(PipelineRegistered, on_pipeline_registered),
    Subscription(TrainingRunStarted, on_run_started),
    Subscription(TrainingRunSucceeded, on_run_succeeded),
    Subscription(TrainingRunFailed, on_run_failed),
    Subscription(RolloutRolledBack, on_rollout_rolled_back),
    Subscription(ApproveModelVersion, approve_version),
    Subscription(RejectModelVersion, reject_version),
    Subscription(RollBackModel, roll_back_model),
    Subscription(WaiveModelVersionGates, waive_gates),
    Subscription(DeclareModelGates, declare_gates),
    Subscription(ImportModelVersion, import_version),
)
