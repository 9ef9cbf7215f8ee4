"""Owns the prediction log, labels, and windows of event time with their verdicts.

Hears PipelineRegistered, ModelAliasMoved, RolloutStepped, RolloutCompleted, PredictionsServed, RecordGroundTruth.
Says GroundTruthRecorded, DriftDetected, QualityDegraded.
"""
