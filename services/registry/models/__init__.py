"""Models and versions as people name them: names, descriptions, tags, aliases, and versions an MLflow client logged."""
