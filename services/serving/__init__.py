"""Owns which version of each model answers requests.

Hears PipelineRegistered and ModelVersionPromoted. Says RolloutStarted, RolloutCompleted, RolloutRolledBack; its
replicas say PredictionsServed.
"""
