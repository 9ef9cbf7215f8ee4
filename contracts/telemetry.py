"""Names of spans' attributes that are ours, with their meaning; OpenTelemetry's own names win where they exist."""

PIPELINE = "everloop.pipeline"
"""Name of the pipeline (and of its model) a span is about."""

MODEL_VERSION = "everloop.model.version"
"""Number of the model version."""

RUN_ID = "everloop.training.run_id"
"""Id of the training run."""

DATASET_VERSION = "everloop.dataset.version"
"""Number of the dataset version."""

PREDICTION_ROWS = "everloop.prediction.rows"
"""Rows answered by one request."""

OUTCOME = "everloop.message.outcome"
"""What became of a message: handled, duplicate, rejected, retried, dead_lettered."""
