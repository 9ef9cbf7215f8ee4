"""What facts mean for alerts: which condition they raise, in words for a person, or which they end."""

from collections.abc import Callable, Mapping
from typing import Any

from contracts.alerts import AlertKind, Finding, Severity
from contracts.ingestion import DatasetIngested, DatasetRejected
from contracts.message import Event
from contracts.precompute import PrecomputationCompleted, PrecomputationFailed, PrecomputationFailure
from contracts.training import (
    FailureReason,
    RetrainingEscalated,
    SkipReason,
    TrainingRunAwaitingApproval,
    TrainingRunFailed,
    TrainingRunSkipped,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.chassis.subscriptions import Cause
from services.monitoring.alerts.domain import Effect, Relief

DATASET, TRAINING, LOOKUP = "dataset", "training", "scores computed in advance"
SHOWN = 3
"""Of a list, what a sentence names."""

Effects = tuple[Effect, ...]
Reading = Callable[[Any, Cause], Effects]
"""Says what a fact raises or ends; nothing where it is of no concern."""


def _dataset_rejected(event: DatasetRejected, cause: Cause) -> Effects:
    faults = "; ".join(f"{one.column or 'batch'}: {one.detail}" for one in event.violations[:SHOWN])
    more = f"; and {len(event.violations) - SHOWN} more" if len(event.violations) > SHOWN else ""
    return (
        Finding(
            kind=AlertKind.DATASET_REJECTED,
            about=DATASET,
            severity=Severity.WARNING,
            title=clip(f"A batch for {event.pipeline} was refused: {faults}", 300),
            since=cause.said_at,
            certainty=clip(f"Certain: every row was checked. {faults}{more}", 1000),
            action="Mend the source, or change what the pipeline promises, and ingest it again.",
            command=f"everloop dataset rejected {event.pipeline}",
        ),
    )


def _dataset_ingested(event: DatasetIngested, cause: Cause) -> Effects:
    return (Relief(AlertKind.DATASET_REJECTED, DATASET, f"dataset version {event.dataset_version} was taken in"),)


def _training_run_failed(event: TrainingRunFailed, cause: Cause) -> Effects:
    over = Relief(AlertKind.RUN_AWAITS_APPROVAL, f"run {event.run_id}", f"the run ended: {event.reason}")
    if event.reason is FailureReason.CANCELLED:
        return (over,)
    # The last words tell what it died of; what is before them is the way there.
    words = event.detail.strip().splitlines()
    died_of = f": {words[-1]}" if words else ""
    return (
        over,
        Finding(
            kind=AlertKind.TRAINING_FAILED,
            about=TRAINING,
            severity=Severity.WARNING,
            title=clip(f"A training run of {event.pipeline} {event.reason.replace('_', ' ')}{died_of}", 300),
            since=cause.said_at,
            certainty=f"Certain: run {event.run_id} was tried {event.attempts} times.",
            action="Look what it died of; the model in production is not touched.",
            command=f"everloop why {event.run_id}",
        ),
    )


def _training_run_succeeded(event: TrainingRunSucceeded, cause: Cause) -> Effects:
    return (Relief(AlertKind.TRAINING_FAILED, TRAINING, f"run {event.run_id} succeeded"),)


def _training_run_awaiting_approval(event: TrainingRunAwaitingApproval, cause: Cause) -> Effects:
    wish = f'{{"run_id": "{event.run_id}", "approved_by": "NAME"}}'
    return (
        Finding(
            kind=AlertKind.RUN_AWAITS_APPROVAL,
            about=f"run {event.run_id}",
            severity=Severity.WARNING,
            title=clip(f"A training run of {event.pipeline} waits for a person ({event.cause.kind})", 300),
            since=cause.said_at,
            certainty=clip(f"Certain: the pipeline's policy is to ask. {event.cause.reason}", 1000),
            action="Approve the run, or let it wait.",
            command=f"everloop publish commands.training.run.approve.v1.{event.pipeline} '{wish}'",
        ),
    )


def _training_run_skipped(event: TrainingRunSkipped, cause: Cause) -> Effects:
    if event.reason is not SkipReason.POLICY:
        return ()
    return (
        Finding(
            kind=AlertKind.RETRAINING_DUE,
            about=TRAINING,
            severity=Severity.WARNING,
            title=clip(f"Retraining of {event.pipeline} is due ({event.cause.kind}): {event.cause.reason}", 300),
            since=cause.said_at,
            certainty=clip(f"As sure as what asked for it, message {event.cause.message_id}. {event.detail}", 1000),
            action="Nothing starts by itself: train, or leave it.",
            command=f"everloop train {event.pipeline}",
        ),
    )


def _retraining_escalated(event: RetrainingEscalated, cause: Cause) -> Effects:
    latest = event.refusals[0]
    return (
        Finding(
            kind=AlertKind.RETRAINING_ESCALATED,
            about=TRAINING,
            severity=Severity.CRITICAL,
            title=f"{event.pipeline} {event.degraded_version} has lost quality, and {event.refused} retrainings in a "
            "row led to nothing better",
            since=event.degraded_since,
            certainty=clip(
                f"{event.quality} The latest candidate was refused by {latest.refused_by}: {latest.reason}", 1000
            ),
            action="Training again does not help: look at the data, the features and the gates.",
            command=f"everloop runs {event.pipeline}",
            version=event.champion_version,
        ),
    )


def _training_run_started(event: TrainingRunStarted, cause: Cause) -> Effects:
    return (
        Relief(AlertKind.RUN_AWAITS_APPROVAL, f"run {event.run_id}", "the run was started"),
        Relief(AlertKind.RETRAINING_DUE, TRAINING, f"run {event.run_id} was started"),
    )


def _precomputation_failed(event: PrecomputationFailed, cause: Cause) -> Effects:
    if event.reason is PrecomputationFailure.SUPERSEDED:
        return ()
    return (
        Finding(
            kind=AlertKind.PRECOMPUTATION_FAILED,
            about=LOOKUP,
            severity=Severity.WARNING,
            title=clip(f"Scores of {event.pipeline} could not be computed in advance: {event.detail}", 300),
            since=cause.said_at,
            certainty=f"Certain: it was tried {event.attempts} times ({event.reason.replace('_', ' ')}).",
            action="Requests are answered live meanwhile; look what it died of, and start it again.",
            command=f"everloop precompute show {event.precomputation_id}",
        ),
    )


def _precomputation_completed(event: PrecomputationCompleted, cause: Cause) -> Effects:
    return (Relief(AlertKind.PRECOMPUTATION_FAILED, LOOKUP, f"{event.rows} rows were scored"),)


def clip(text: str, longest: int) -> str:
    """Write text on one line of at most so many characters, without what PostgreSQL does not keep."""
    line = " ".join(text.replace("\0", "").split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


READINGS: Mapping[type[Event], Reading] = {
    DatasetRejected: _dataset_rejected,
    DatasetIngested: _dataset_ingested,
    TrainingRunFailed: _training_run_failed,
    TrainingRunSucceeded: _training_run_succeeded,
    TrainingRunAwaitingApproval: _training_run_awaiting_approval,
    TrainingRunSkipped: _training_run_skipped,
    RetrainingEscalated: _retraining_escalated,
    TrainingRunStarted: _training_run_started,
    PrecomputationFailed: _precomputation_failed,
    PrecomputationCompleted: _precomputation_completed,
}
