"""Owns model versions and the aliases ``champion``, ``challenger`` and ``previous``.

Hears PipelineRegistered, TrainingRunSucceeded, RolloutRolledBack, ApproveModelVersion, RejectModelVersion,
RollBackModel, ImportModelVersion.
Says ModelVersionRegistered, ModelVersionImported, ModelVersionGatesEvaluated, ModelVersionAwaitingApproval,
ModelVersionApprovalGiven, ModelVersionPromoted, ModelVersionDemoted, ModelVersionRejected, ModelCommandRefused.
"""
