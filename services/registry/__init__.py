"""Owns model versions and the aliases ``champion``, ``challenger`` and ``previous``.

Hears PipelineRegistered, TrainingRunSucceeded, RolloutRolledBack, ApproveModelVersion, RejectModelVersion,
RollBackModel.
Says ModelVersionRegistered, ModelVersionGatesEvaluated, ModelVersionAwaitingApproval, ModelVersionPromoted,
ModelVersionDemoted, ModelVersionRejected, ModelCommandRefused.
"""
