"""MLflow's REST protocol over the registry's own decisions: its clients work here unchanged."""
