"""Models that MLflow's clients log: files with a name, parameters, tags and metrics, registered or not."""
