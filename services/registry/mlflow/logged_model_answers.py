"""Logged models as MLflow's clients read them. As protobuf's JSON does, what was never set is left out."""

from collections.abc import Mapping
from typing import Any

from services.registry.logged_models.domain import LoggedModel, MeasuredMetric, ModelRecord, ModelStatus
from services.registry.mlflow import values
from services.registry.mlflow.values import entries

WORDS = {
    ModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    ModelStatus.READY: "LOGGED_MODEL_READY",
    ModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
STATUSES = {word: status for status, word in WORDS.items()} | {
    str(number): status for number, status in enumerate(WORDS, start=1)
}
"""A status by its word or, as protobuf has it too, by its number."""


def logged_model_answer(model: LoggedModel, record: ModelRecord) -> dict[str, Any]:
    """Show a model."""
    info = {
        "model_id": model.id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.created_ms,
        "last_updated_timestamp_ms": model.updated_ms,
        "artifact_uri": model.artifact_uri,
        "status": WORDS[model.status],
        "model_type": model.model_type,
        "source_run_id": model.source_run_id,
        "tags": entries(record.tags),
    }
    data = {"params": entries(record.params), "metrics": [_metric(measured) for measured in record.metrics]}
    return {"info": _set(info), "data": _set(data)}


def _metric(measured: MeasuredMetric) -> dict[str, Any]:
    metric = measured.metric
    more = {"dataset_name": metric.dataset_name, "dataset_digest": metric.dataset_digest, "model_id": metric.model_id}
    return {**values.metric(metric), **_set(more), "run_id": measured.run_id}


def _set(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != []}
