"""What runs log, as MLflow's clients send it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import Field

from services.chassis.work import Transaction
from services.registry.mlflow.calls import Method, done
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.runs import OfRun
from services.registry.mlflow.values import Entry, Int64, Part, Required, Value, texts
from services.registry.tracking import runs
from services.registry.tracking.domain import Dataset, DatasetInput, Metric, ModelOutput
from services.registry.tracking.ports import Log, Runs

DESCRIBED = {"run_id", "artifact_path", "flavors", "utc_time_created"}
"""What clients before 3 tell about a model they logged."""


class Point(Part):
    """A point of a metric."""

    key: Required
    value: Value
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None

    def read(self) -> Metric:
        """Read the point."""
        about = (self.model_id or None, self.dataset_name or None, self.dataset_digest or None)
        return Metric(self.key, self.value, self.timestamp, self.step, *about)


class LogMetric(OfRun, Point):
    """One point."""


class LogParam(OfRun):
    """One parameter."""

    key: Required
    value: str = ""


class LogBatch(OfRun):
    """Points, parameters and tags."""

    metrics: tuple[Point, ...] = ()
    params: tuple[Entry, ...] = ()
    tags: tuple[Entry, ...] = ()


class DatasetGiven(Part):
    """A dataset as the client describes it."""

    name: Required
    digest: Required
    source_type: str = ""
    source: str = ""
    schema_: str | None = Field(default=None, alias="schema")
    profile: str | None = None


class DatasetUsed(Part):
    """A dataset, and what it was used for."""

    dataset: DatasetGiven
    tags: tuple[Entry, ...] = ()

    def read(self) -> DatasetInput:
        """Read the dataset."""
        given = self.dataset
        dataset = Dataset(given.name, given.digest, given.source_type, given.source, given.schema_, given.profile)
        return DatasetInput(dataset, texts(self.tags))


class Model(Part):
    """A logged model, and the step at which it was made."""

    model_id: Required
    step: Int64 = 0


class LogInputs(OfRun):
    """Datasets and models that a run used."""

    datasets: tuple[DatasetUsed, ...] = ()
    models: tuple[Model, ...] = ()


class LogOutputs(OfRun):
    """Models that a run made."""

    models: tuple[Model, ...]


class LogModel(OfRun):
    """A model that a client before 3 logged."""

    model_json: Required


async def log_metric(asked: LogMetric, tx: Transaction) -> Mapping[str, Any]:
    """Log a point of a metric."""
    return done(await runs.log_batch(asked.run_id, tx.port(Runs), tx.port(Log), metrics=(asked.read(),)), tx)


async def log_param(asked: LogParam, tx: Transaction) -> Mapping[str, Any]:
    """Log a parameter."""
    params = {asked.key: asked.value}
    return done(await runs.log_batch(asked.run_id, tx.port(Runs), tx.port(Log), params=params), tx)


async def log_batch(asked: LogBatch, tx: Transaction) -> Mapping[str, Any]:
    """Log points, parameters and tags at once, or none of them."""
    twice = [key for key, count in Counter(param.key for param in asked.params).items() if count > 1]
    if twice:
        refuse_value(f"Parameters are named more than once: {twice}.")
    logged = await runs.log_batch(
        asked.run_id,
        tx.port(Runs),
        tx.port(Log),
        metrics=[point.read() for point in asked.metrics],
        params=texts(asked.params),
        tags=texts(asked.tags),
    )
    return done(logged, tx)


async def log_inputs(asked: LogInputs, tx: Transaction) -> Mapping[str, Any]:
    """Note which data and models a run used."""
    datasets = [used.read() for used in asked.datasets]
    used = [model.model_id for model in asked.models]
    return done(await runs.link(asked.run_id, tx.port(Runs), tx.port(Log), datasets=datasets, used=used), tx)


async def log_outputs(asked: LogOutputs, tx: Transaction) -> Mapping[str, Any]:
    """Note which models a run made."""
    made = [ModelOutput(model.model_id, model.step) for model in asked.models]
    return done(await runs.link(asked.run_id, tx.port(Runs), tx.port(Log), made=made), tx)


async def log_model(asked: LogModel, tx: Transaction) -> Mapping[str, Any]:
    """Note a model of a client before 3 where that client will look for it."""
    described = _described(asked.model_json)
    return done(await runs.note_model(asked.run_id, described, tx.port(Runs), tx.port(Log)), tx)


def _described(model_json: str) -> dict[str, Any]:
    try:
        model = orjson.loads(model_json)
    except orjson.JSONDecodeError:
        refuse_value("The model is not described in JSON.")
    if not isinstance(model, dict) or (missing := DESCRIBED - set(model)):
        refuse_value(f"The model's description lacks {sorted(missing if isinstance(model, dict) else DESCRIBED)}.")
    return {name: model[name] for name in model if name in DESCRIBED | {"model_uuid"}}


METHODS = (
    Method("POST", "/mlflow/runs/log-metric", LogMetric, log_metric),
    Method("POST", "/mlflow/runs/log-parameter", LogParam, log_param),
    Method("POST", "/mlflow/runs/log-batch", LogBatch, log_batch),
    Method("POST", "/mlflow/runs/log-inputs", LogInputs, log_inputs),
    Method("POST", "/mlflow/runs/outputs", LogOutputs, log_outputs),
    Method("POST", "/mlflow/runs/log-model", LogModel, log_model),
)
