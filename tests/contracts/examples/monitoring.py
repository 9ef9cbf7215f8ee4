"""Windows close, and what is found in them is told."""

from typing import Any

from contracts import alerts, monitoring
from contracts.message import Message
from tests.contracts.examples.story import ALERT, NOON, PIPELINE, RUN, RUN_URI, WEEK


def of_monitoring() -> list[Message]:
    window = {"version": 2, "window_start": NOON, "window_end": NOON + WEEK}
    return [
        monitoring.RecordGroundTruth(
            pipeline=PIPELINE, labels=(monitoring.GroundTruth(prediction_id="p-1", label=1, observed_at=NOON),)
        ),
        monitoring.GroundTruthRecorded(
            pipeline=PIPELINE, matched=1, parked=0, corrected=0, total=1, latest_observation=NOON
        ),
        monitoring.DriftDetected(
            pipeline=PIPELINE,
            drift=monitoring.DriftKind.INPUT,
            rows=6500,
            statistic=5.1,
            threshold=3.2,
            false_alarm_rate=0.05,
            shifts=(monitoring.FeatureShift(feature="wind", effect=0.4, score=5.1),),
            reference_uri=f"{RUN_URI}/bundle/reference.json",
            effect=0.4,
            blocks=40,
            reference_rows=240_000,
            **window,
        ),
        monitoring.DataBroken(
            pipeline=PIPELINE,
            breakage=monitoring.Breakage.FAULT,
            rows=6500,
            statistic=21.0,
            threshold=3.4,
            false_alarm_rate=0.05,
            effect=0.28,
            blocks=40,
            reference_rows=240_000,
            shifts=(
                monitoring.FeatureShift(
                    feature="carrier", effect=0.28, score=21.0, cell="unseen", share=0.02, usual_share=0.0
                ),
            ),
            **window,
        ),
        monitoring.QualityDegraded(
            pipeline=PIPELINE,
            metric="auc",
            value=0.61,
            low=0.59,
            high=0.63,
            reference=0.71,
            threshold=0.68,
            predictions=6500,
            labelled=6300,
            statistic=1730.0,
            statistic_threshold=1000.0,
            run_length=1000.0,
            p=0.0004,
            blocks=7,
            **window,
        ),
    ]


def finding(**changes: Any) -> alerts.Finding:
    """Say that quality fell."""
    return alerts.Finding(
        **{
            "kind": alerts.AlertKind.QUALITY_DEGRADED,
            "about": "version 2",
            "severity": alerts.Severity.CRITICAL,
            "title": "flight_delays 2 answers worse than it was tested: auc 0.61 instead of 0.71",
            "since": NOON,
            "certainty": "The interval 0.59 to 0.63 lies beyond the allowed 0.68.",
            "action": "Look since when; then roll back, or retrain.",
            "command": "everloop monitor flight_delays --version 2",
            "version": 2,
            **changes,
        }
    )


def of_alerts() -> list[Message]:
    alert: dict[str, Any] = {"pipeline": PIPELINE, "alert_id": ALERT}
    what: dict[str, Any] = {"kind": alerts.AlertKind.QUALITY_DEGRADED, "about": "version 2"}
    return [
        alerts.ResolveAlert(resolved_by="ada", reason="rolled back", **alert),
        alerts.SnoozeAlert(until=NOON + WEEK, snoozed_by="ada", reason="a strike", **alert),
        alerts.AlertRaised(finding=finding(), occurrences=2, first_at=NOON, raised_by="m-1", **alert),
        alerts.AlertResolved(
            resolved_by="monitoring", reason="version 3 is champion", occurrences=2, first_at=NOON, **what, **alert
        ),
        alerts.AlertSnoozed(until=NOON + WEEK, snoozed_by="ada", reason="a strike", **what, **alert),
        alerts.AlertUndelivered(delivery_id=RUN, channel="oncall", attempts=12, detail="HTTP 500", **alert),
        alerts.AlertCommandRefused(
            command="resolve", requested_by="ada", rule="alert_is_over", detail="alert is over", **alert
        ),
    ]
