"""A pipeline is registered, and its runs go their course."""

from contracts import training
from contracts.message import Message
from contracts.pipeline import TriggerKind
from tests.contracts.examples.story import NOON, PIPELINE, RUN, cause, code, definition, digest, training_run_succeeded


def of_training() -> list[Message]:
    return [
        training.RegisterPipeline(pipeline=PIPELINE, definition=definition(), code=code()),
        training.PipelineRegistered(pipeline=PIPELINE, definition=definition(), code=code()),
        training.StartTrainingRun(
            pipeline=PIPELINE, reason="new feature", requested_by="ada", parameters={"num_leaves": 63}, seed=5
        ),
        training.ApproveTrainingRun(pipeline=PIPELINE, run_id=RUN, approved_by="ada"),
        training.CancelTrainingRun(pipeline=PIPELINE, run_id=RUN, requested_by="ada"),
        training.TrainingRunAwaitingApproval(pipeline=PIPELINE, run_id=RUN, cause=cause(), dataset_version=3),
        training.TrainingRunStarted(
            pipeline=PIPELINE,
            run_id=RUN,
            attempt=1,
            cause=cause(),
            dataset_version=3,
            dataset_digest=digest("d"),
            code_digest=digest("c"),
            champion_version=1,
        ),
        training.TrainingRunProgressed(
            pipeline=PIPELINE, run_id=RUN, stage="fit", fraction=0.5, metrics={"validation_auc": 0.7}
        ),
        training_run_succeeded(),
        training.TrainingRunFailed(
            pipeline=PIPELINE, run_id=RUN, reason=training.FailureReason.CRASHED, detail="out of memory", attempts=3
        ),
        training.TrainingRunSkipped(
            pipeline=PIPELINE, cause=cause(), reason=training.SkipReason.COOLDOWN, detail="3 days left"
        ),
        training.RetrainingEscalated(
            pipeline=PIPELINE,
            champion_version=2,
            degraded_version=2,
            degraded_since=NOON,
            quality="auc of version 2 fell to 0.61 (0.58 to 0.64) from 0.71",
            refused=1,
            refusals=(
                training.RefusedRetraining(
                    run_id=RUN,
                    kind=TriggerKind.QUALITY,
                    version=3,
                    refused_by="gates",
                    reason="auc 0.70 is not above the champion's 0.71",
                    refused_at=NOON,
                ),
            ),
        ),
    ]
