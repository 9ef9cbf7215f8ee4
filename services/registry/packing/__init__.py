"""What MLflow's clients logged, made into bundles that serving can load."""
