"""What facts mean for alerts: which condition they raise, in words for a person, or which they end."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from contracts.alerts import AlertKind, Finding, Severity
from contracts.ingestion import DatasetIngested, DatasetRejected
from contracts.message import Event
from contracts.monitoring import DriftDetected, DriftKind, QualityDegraded
from contracts.precompute import PrecomputationCompleted, PrecomputationFailed, PrecomputationFailure
from contracts.training import (
    FailureReason,
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


def _drift_detected(event: DriftDetected, cause: Cause) -> Effects:
    inputs = event.drift is DriftKind.INPUT
    moved = ", ".join(f"{shift.feature} (effect {shift.effect:.2g})" for shift in event.shifts[:SHOWN])
    what = "Inputs" if inputs else "Scores"
    return (
        Finding(
            kind=AlertKind.INPUT_DRIFT if inputs else AlertKind.PREDICTION_DRIFT,
            about=f"version {event.version}",
            severity=Severity.WARNING,
            title=clip(f"{what} of {event.pipeline} {event.version} moved away from its training data: {moved}", 300),
            since=event.window_start,
            certainty=f"Statistic {event.statistic:.3g} against a threshold of {event.threshold:.3g}, in "
            f"{event.rows} predictions up to {_time(event.window_end)}. Without drift, {event.false_alarm_rate:.2%} of "
            "windows say so.",
            action="Look which columns moved: mend the feed if it broke, retrain if the world changed.",
            command=f"everloop monitor {event.pipeline} --version {event.version}",
            version=event.version,
        ),
    )


def _quality_degraded(event: QualityDegraded, cause: Cause) -> Effects:
    return (
        Finding(
            kind=AlertKind.QUALITY_DEGRADED,
            about=f"version {event.version}",
            severity=Severity.CRITICAL,
            title=f"{event.pipeline} {event.version} answers worse than it was tested: "
            f"{event.metric} {event.value:.3g} instead of {event.reference:.3g}",
            since=event.window_start,
            certainty=f"The interval {event.low:.3g} to {event.high:.3g} lies beyond the allowed "
            f"{event.threshold:.3g}; {event.labelled} of {event.predictions} predictions up to "
            f"{_time(event.window_end)} are labelled.",
            action="Look since when; then roll back, or retrain.",
            command=f"everloop monitor {event.pipeline} --version {event.version}",
            version=event.version,
        ),
    )


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


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def clip(text: str, longest: int) -> str:
    """Write text on one line of at most so many characters, without what PostgreSQL does not keep."""
    line = " ".join(text.replace("\0", "").split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


READINGS: Mapping[type[Event], Reading] = {
    DriftDetected: _drift_detected,
    QualityDegraded: _quality_degraded,
    DatasetRejected: _dataset_rejected,
    DatasetIngested: _dataset_ingested,
    TrainingRunFailed: _training_run_failed,
    TrainingRunSucceeded: _training_run_succeeded,
    TrainingRunAwaitingApproval: _training_run_awaiting_approval,
    TrainingRunSkipped: _training_run_skipped,
    TrainingRunStarted: _training_run_started,
    PrecomputationFailed: _precomputation_failed,
    PrecomputationCompleted: _precomputation_completed,
}
