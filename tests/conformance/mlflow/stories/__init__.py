"""What is asked: one module per area, each with a ``STORY``."""

from collections.abc import Mapping

from tests.conformance.mlflow.asking import Story
from tests.conformance.mlflow.stories import (
    artifacts,
    errors,
    experiments,
    logged_models,
    metrics,
    models,
    runs,
    searching,
)

STORIES: Mapping[str, Story] = {
    "experiments": experiments.STORY,
    "runs": runs.STORY,
    "metrics": metrics.STORY,
    "searching": searching.STORY,
    "models": models.STORY,
    "logged_models": logged_models.STORY,
    "artifacts": artifacts.STORY,
    "errors": errors.STORY,
}
