"""Owns model versions and the aliases ``champion``, ``challenger`` and ``previous``; experiments and their runs.

Hears PipelineRegistered, TrainingRunStarted, TrainingRunSucceeded, TrainingRunFailed, RolloutRolledBack,
ApproveModelVersion, RejectModelVersion, RollBackModel, ImportModelVersion, DeclareModelGates, WaiveModelVersionGates.
Says ModelVersionRegistered, ModelVersionImported, ModelVersionGatesEvaluated, ModelVersionAwaitingApproval,
ModelVersionApprovalGiven, ModelVersionPromoted, ModelVersionDemoted, ModelVersionRejected, ModelCommandRefused;
of every change of experiments and runs ExperimentCreated to RunRestored; of models and versions as people name them
ModelCreated to ModelGatesDeclared.
"""
