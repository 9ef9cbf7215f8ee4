"""The face people type and import: CLI, client, pipeline SDK, ``load_model``."""
