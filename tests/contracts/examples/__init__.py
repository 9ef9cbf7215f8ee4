"""One valid example of every message, telling one story: a model of late flights."""

from collections.abc import Callable

from contracts.message import Message
from tests.contracts.examples.ingestion import of_ingestion
from tests.contracts.examples.monitoring import finding, of_alerts, of_monitoring
from tests.contracts.examples.registered_models import of_registered_models
from tests.contracts.examples.registry import of_registry
from tests.contracts.examples.serving import of_inference, of_precompute, of_serving
from tests.contracts.examples.story import (
    GATES,
    NOON,
    PIPELINE,
    ROLLOUT,
    RUN,
    code,
    definition,
    digest,
    lineage,
    training_run_succeeded,
)
from tests.contracts.examples.tracking import of_logged_models, of_tracking
from tests.contracts.examples.training import of_training

__all__ = [
    "GATES",
    "NOON",
    "PIPELINE",
    "ROLLOUT",
    "RUN",
    "code",
    "definition",
    "digest",
    "every_message",
    "finding",
    "lineage",
    "training_run_succeeded",
]


def every_message() -> list[Message]:
    """Give an example of every message there is."""
    stories: tuple[Callable[[], list[Message]], ...] = (
        of_ingestion,
        of_training,
        of_registry,
        of_tracking,
        of_logged_models,
        of_registered_models,
        of_serving,
        of_inference,
        of_precompute,
        of_monitoring,
        of_alerts,
    )
    return [message for story in stories for message in story()]
