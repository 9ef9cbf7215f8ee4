"""A model version as files: written by jobs, verified and asked by replicas, jobs and ``load_model`` alike."""
