"""Owns which version of each model answers requests, and how a new one comes to.

Hears PipelineRegistered, ModelVersionPromoted, ModelAliasMoved, QualityDegraded, DatasetIngested, and people who pause,
resume, promote or abort a rollout or have scores precomputed. Says PrecomputationStarted, PrecomputationCompleted,
PrecomputationFailed, RolloutStarted, RolloutStepped, RolloutPaused, RolloutResumed, RolloutHastened,
RolloutCompleted, RolloutRolledBack, RolloutCommandRefused, DeploymentDiverged, DeploymentConverged; its replicas say
PredictionsServed.
"""
