"""Scores of known rows, computed by a batch prediction before anybody asks, and looked up by the replicas."""
