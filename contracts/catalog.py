"""Every message there is, found by its type; the streams that keep them."""

from types import MappingProxyType

from pydantic import ValidationError

from contracts import (
    alerts,
    inference,
    ingestion,
    logged_models,
    monitoring,
    precompute,
    registered_models,
    registry,
    serving,
    tracking,
    training,
)
from contracts.envelope import Envelope, UnreadableMessageError, describe
from contracts.message import Event, Message

MESSAGES: tuple[type[Message], ...] = (
    ingestion.IngestDataset,
    ingestion.DatasetIngested,
    ingestion.DatasetRejected,
    training.RegisterPipeline,
    training.PipelineRegistered,
    training.StartTrainingRun,
    training.ApproveTrainingRun,
    training.CancelTrainingRun,
    training.TrainingRunAwaitingApproval,
    training.TrainingRunStarted,
    training.TrainingRunProgressed,
    training.TrainingRunSucceeded,
    training.TrainingRunFailed,
    training.TrainingRunSkipped,
    training.RetrainingEscalated,
    registry.ApproveModelVersion,
    registry.RejectModelVersion,
    registry.RollBackModel,
    registry.ImportModelVersion,
    registry.ModelVersionRegistered,
    registry.ModelVersionImported,
    registry.ModelVersionGatesEvaluated,
    registry.ModelVersionAwaitingApproval,
    registry.ModelVersionApprovalGiven,
    registry.ModelVersionPromoted,
    registry.ModelVersionDemoted,
    registry.ModelVersionRejected,
    registry.ModelCommandRefused,
    registered_models.DeclareModelGates,
    registered_models.WaiveModelVersionGates,
    registered_models.ModelCreated,
    registered_models.ModelRenamed,
    registered_models.ModelDescribed,
    registered_models.ModelTagged,
    registered_models.ModelDeleted,
    registered_models.ModelAliasMoved,
    registered_models.ModelVersionLogged,
    registered_models.ModelVersionArchived,
    registered_models.ModelVersionDeleted,
    registered_models.ModelVersionGatesWaived,
    registered_models.ModelGatesDeclared,
    registered_models.ModelVersionCollected,
    tracking.ExperimentCreated,
    tracking.ExperimentRenamed,
    tracking.ExperimentDeleted,
    tracking.ExperimentRestored,
    tracking.ExperimentTagged,
    tracking.ExperimentCollected,
    tracking.RunCreated,
    tracking.RunUpdated,
    tracking.RunLogged,
    tracking.RunLinked,
    tracking.RunDeleted,
    tracking.RunRestored,
    tracking.RunCollected,
    logged_models.LoggedModelCreated,
    logged_models.LoggedModelFinalized,
    logged_models.LoggedModelDescribed,
    logged_models.LoggedModelDeleted,
    logged_models.LoggedModelCollected,
    serving.PauseRollout,
    serving.ResumeRollout,
    serving.PromoteRollout,
    serving.AbortRollout,
    serving.RolloutStarted,
    serving.RolloutStepped,
    serving.RolloutPaused,
    serving.RolloutResumed,
    serving.RolloutHastened,
    serving.RolloutCompleted,
    serving.RolloutRolledBack,
    serving.RolloutCommandRefused,
    serving.DeploymentDiverged,
    serving.DeploymentConverged,
    precompute.StartPrecomputation,
    precompute.PrecomputationStarted,
    precompute.PrecomputationCompleted,
    precompute.PrecomputationFailed,
    serving.PredictionsServed,
    inference.RequestInference,
    inference.InferenceCompleted,
    inference.InferenceFailed,
    monitoring.RecordGroundTruth,
    monitoring.GroundTruthRecorded,
    monitoring.DriftDetected,
    monitoring.DataBroken,
    monitoring.QualityDegraded,
    alerts.ResolveAlert,
    alerts.SnoozeAlert,
    alerts.AlertRaised,
    alerts.AlertResolved,
    alerts.AlertSnoozed,
    alerts.AlertUndelivered,
    alerts.AlertCommandRefused,
)

BY_TYPE = MappingProxyType({message.subject: message for message in MESSAGES})


def decode(envelope: Envelope) -> Message:
    """Turn an envelope into the message it carries.

    Raises:
        UnreadableMessageError: The type is unknown, the data break its schema, or name another pipeline
            than the subject did.
    """
    message = BY_TYPE.get(envelope.type)
    if message is None:
        raise UnreadableMessageError("unknown_type", f"no message has the type {envelope.type!r}{_near(envelope.type)}")
    content = {"pipeline": envelope.subject, **envelope.data}
    if envelope.subject is not None and content["pipeline"] != envelope.subject:
        raise UnreadableMessageError(
            "wrong_pipeline", f"data say {content['pipeline']!r}, the subject says {envelope.subject!r}"
        )
    try:
        return message.model_validate(content, extra="ignore" if issubclass(message, Event) else "forbid")
    except ValidationError as error:
        raise UnreadableMessageError("schema_violation", describe(error)) from error


def _near(type_: str) -> str:
    stem = type_.rpartition(".v")[0]
    versions = [known for known in BY_TYPE if known.rpartition(".v")[0] == stem]
    return f"; known versions: {', '.join(versions)}" if stem and versions else ""
