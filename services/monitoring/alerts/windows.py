"""What facts about windows mean for alerts: how sure each is stands in its numbers, which a person is told."""

from collections.abc import Mapping
from datetime import datetime

from contracts.alerts import AlertKind, Finding, Severity
from contracts.message import Event
from contracts.monitoring import Breakage, DataBroken, DriftDetected, DriftKind, FeatureShift, QualityDegraded
from services.chassis.subscriptions import Cause
from services.monitoring.alerts.reading import SHOWN, Effects, Reading, clip

BROKEN = {Breakage.INPUT: "Inputs", Breakage.PREDICTION: "Scores", Breakage.FAULT: "Values"}


def _drift_detected(event: DriftDetected, cause: Cause) -> Effects:
    inputs = event.drift is DriftKind.INPUT
    moved = ", ".join(map(_shift, event.shifts[:SHOWN]))
    what = "Inputs" if inputs else "Scores"
    return (
        Finding(
            kind=AlertKind.INPUT_DRIFT if inputs else AlertKind.PREDICTION_DRIFT,
            about=f"version {event.version}",
            # Seasons do this every year: a reason to train again, not to wake anybody.
            severity=Severity.INFO,
            title=clip(f"{what} of {event.pipeline} {event.version} moved away from its training data: {moved}", 300),
            since=event.window_start,
            certainty=_certainty(event, "training data", event.blocks, event.reference_rows),
            action="Nothing is urgent: retraining is due, unless the pipeline does so by itself.",
            command=f"everloop monitor {event.pipeline} --version {event.version}",
            version=event.version,
        ),
    )


def _data_broken(event: DataBroken, cause: Cause) -> Effects:
    moved = ", ".join(map(_shift, event.shifts[:SHOWN]))
    fault = event.breakage is Breakage.FAULT
    unlike = "hardly occur in its training data" if fault else "are unlike those of the days before"
    return (
        Finding(
            kind=AlertKind.DATA_BROKEN,
            about=f"version {event.version}, {event.breakage}",
            severity=Severity.CRITICAL,
            title=clip(f"{BROKEN[event.breakage]} of {event.pipeline} {event.version} {unlike}: {moved}", 300),
            since=event.window_start,
            certainty=_certainty(
                event, "training data" if fault else "days before", event.blocks, event.reference_rows
            ),
            action="Look whether the feed broke, and mend it before anything is trained on it.",
            command=f"everloop monitor {event.pipeline} --version {event.version}",
            version=event.version,
        ),
    )


def _quality_degraded(event: QualityDegraded, cause: Cause) -> Effects:
    sure = f"The window's {event.metric} is {event.low:.3g} to {event.high:.3g}; {event.threshold:.3g} is allowed."
    if event.statistic is not None and event.statistic_threshold is not None and event.run_length is not None:
        sure += (
            f" The windows up to it reach {event.statistic:.4g} of the {event.statistic_threshold:.4g} that are needed:"
            f" on average, at most one false alarm in {event.run_length:.0f} windows."
        )
    return (
        Finding(
            kind=AlertKind.QUALITY_DEGRADED,
            about=f"version {event.version}",
            severity=Severity.CRITICAL,
            title=f"{event.pipeline} {event.version} answers worse than it was tested: "
            f"{event.metric} {event.value:.3g} instead of {event.reference:.3g}",
            since=event.window_start,
            certainty=f"{sure} {event.labelled} of {event.predictions} predictions up to {_time(event.window_end)} are "
            "labelled.",
            action="Look since when; then roll back, or retrain.",
            command=f"everloop monitor {event.pipeline} --version {event.version}",
            version=event.version,
        ),
    )


def _certainty(event: DriftDetected | DataBroken, against: str, blocks: int | None, rows: int | None) -> str:
    sizes = f", {rows} rows in {blocks} blocks of time" if blocks and rows else ""
    return (
        f"Statistic {event.statistic:.3g} against a threshold of {event.threshold:.3g}, in {event.rows} predictions up "
        f"to {_time(event.window_end)} against its {against}{sizes}. Where nothing changed, "
        f"{event.false_alarm_rate:.2%} of windows say so."
    )


def _shift(shift: FeatureShift) -> str:
    if shift.cell is None or shift.share is None or shift.usual_share is None:
        return f"{shift.feature} (effect {shift.effect:.2g})"
    return f"{shift.feature} ({shift.cell} {shift.share:.2%}, usually {shift.usual_share:.2%})"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


READINGS: Mapping[type[Event], Reading] = {
    DriftDetected: _drift_detected,
    DataBroken: _data_broken,
    QualityDegraded: _quality_degraded,
}
