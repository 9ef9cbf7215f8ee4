"""Owns model versions and the aliases ``champion``, ``challenger`` and ``previous``.

Hears PipelineRegistered, TrainingRunSucceeded, ApproveModelVersion, RejectModelVersion, RollBackModel.
Says ModelVersionRegistered, ModelVersionGatesEvaluated, ModelVersionAwaitingApproval, ModelVersionPromoted,
ModelVersionRejected, ModelCommandRefused.
"""
