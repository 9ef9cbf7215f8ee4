"""Owns model versions and the aliases ``champion``, ``challenger`` and ``previous``; experiments and their runs.

Hears PipelineRegistered, TrainingRunStarted, TrainingRunSucceeded, TrainingRunFailed, RolloutRolledBack,
ApproveModelVersion, RejectModelVersion, RollBackModel, ImportModelVersion, WaiveModelVersionGates.
Says ModelVersionRegistered, ModelVersionImported, ModelVersionGatesEvaluated, ModelVersionAwaitingApproval,
ModelVersionApprovalGiven, ModelVersionPromoted, ModelVersionDemoted, ModelVersionRejected, ModelCommandRefused;
of every change of experiments and runs ExperimentCreated to RunRestored.
"""
