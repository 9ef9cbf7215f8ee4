"""Owns the prediction log, labels, windows of event time with their verdicts, and alerts.

Hears PipelineRegistered, ModelAliasMoved, RolloutStepped, RolloutCompleted, PredictionsServed, RecordGroundTruth;
and for alerts what went wrong and right anywhere (``READINGS`` of ``alerts/handlers.py``), ResolveAlert, SnoozeAlert.
Says GroundTruthRecorded, DriftDetected, DataBroken, QualityDegraded, AlertRaised, AlertResolved, AlertSnoozed,
AlertUndelivered, AlertCommandRefused.
"""
