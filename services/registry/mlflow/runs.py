"""Runs, as MLflow's clients ask for them."""

from collections.abc import Mapping
from dataclasses import asdict
from random import SystemRandom
from typing import Annotated, Any
from uuid import uuid4

from pydantic import AliasChoices, BeforeValidator, Field

from services.chassis.work import Transaction
from services.registry.mlflow.calls import Arguments, Method, done
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.values import Entry, Int64, Required, entries, metric, now_ms, texts
from services.registry.tracking import experiments, runs
from services.registry.tracking.domain import DEFAULT_EXPERIMENT, RUN_NAME, Experiment, Run, RunRecord, RunStatus
from services.registry.tracking.names import run_name
from services.registry.tracking.ports import Experiments, Log, Runs

ARTIFACTS = "artifacts"
NUMBERED = dict(enumerate(RunStatus, start=1))
"""Protobuf's numbers of the states; its JSON may use either."""
Status = Annotated[RunStatus, BeforeValidator(lambda said: NUMBERED.get(said, said) if isinstance(said, int) else said)]


class CreateRun(Arguments):
    """A new run."""

    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 | None = None
    tags: tuple[Entry, ...] = ()


class OfRun(Arguments):
    """A run, by its id; MLflow once called it otherwise."""

    run_id: Annotated[Required, Field(validation_alias=AliasChoices("run_id", "run_uuid"))]


class UpdateRun(OfRun):
    """What changed of a run."""

    status: Status | None = None
    end_time: Int64 | None = None
    run_name: str = ""


class SetTag(OfRun):
    """A tag for a run."""

    key: Required
    value: str = ""


class DeleteTag(OfRun):
    """A tag that a run shall lose."""

    key: Required


async def create(asked: CreateRun, tx: Transaction) -> Mapping[str, Any]:
    """Begin a run."""
    experiment = await experiments.find(asked.experiment_id or DEFAULT_EXPERIMENT, tx.port(Experiments))
    experiment.must_be_active()
    run = _begun(asked, experiment)
    tags = texts(asked.tags)
    done(await runs.create(run, tx.port(Runs), tags=tags), tx)
    return {"run": {**written(run, RunRecord(tags={**tags, RUN_NAME: run.name})), "inputs": {}}}


async def get(asked: OfRun, tx: Transaction) -> Mapping[str, Any]:
    """Tell everything about a run."""
    run = await runs.find(asked.run_id, tx.port(Runs))
    records = await tx.port(Runs).records([run.id])
    return {"run": written(run, records[run.id])}


async def update(asked: UpdateRun, tx: Transaction) -> Mapping[str, Any]:
    """Change how far a run is, or its name."""
    run, facts = await runs.update(
        asked.run_id,
        tx.port(Runs),
        tx.port(Log),
        status=asked.status,
        ended_ms=asked.end_time,
        name=asked.run_name or None,
    )
    return {**done(facts, tx), "run_info": info(run)}


async def delete(asked: OfRun, tx: Transaction) -> Mapping[str, Any]:
    """Put a run away."""
    return done(await runs.delete(asked.run_id, tx.port(Runs), by=asked.claimed_by, at_ms=now_ms()), tx)


async def restore(asked: OfRun, tx: Transaction) -> Mapping[str, Any]:
    """Have a run back."""
    return done(await runs.restore(asked.run_id, tx.port(Runs), at_ms=now_ms()), tx)


async def set_tag(asked: SetTag, tx: Transaction) -> Mapping[str, Any]:
    """Tag a run."""
    return done(await runs.log_batch(asked.run_id, tx.port(Runs), tx.port(Log), tags={asked.key: asked.value}), tx)


async def delete_tag(asked: DeleteTag, tx: Transaction) -> Mapping[str, Any]:
    """Remove a tag of a run."""
    return done(await runs.remove_tag(asked.run_id, asked.key, tx.port(Runs), tx.port(Log)), tx)


def info(run: Run) -> dict[str, Any]:
    """Write what is known of a run from the start."""
    known = {
        "run_uuid": run.id,
        "run_id": run.id,
        "run_name": run.name,
        "experiment_id": run.experiment_id,
        "user_id": run.user,
        "status": run.status.value,
        "start_time": run.started_ms,
        "artifact_uri": run.artifact_uri,
        "lifecycle_stage": run.stage.value,
    }
    return {**known, "end_time": run.ended_ms} if run.ended_ms else known


def written(run: Run, record: RunRecord) -> dict[str, Any]:
    """Write a run, whole."""
    data = {
        "metrics": [metric(point) for point in record.metrics],
        "params": entries(record.params),
        "tags": entries(record.tags),
    }
    inputs = {
        "dataset_inputs": [
            _present({"tags": entries(one.tags), "dataset": _present(asdict(one.dataset))}) for one in record.datasets
        ],
        "model_inputs": [{"model_id": model_id} for model_id in record.model_inputs],
    }
    outputs = {"model_outputs": [{"model_id": one.model_id, "step": one.step} for one in record.model_outputs]}
    return {"info": info(run), "data": _present(data), "inputs": _present(inputs), "outputs": _present(outputs)}


def _begun(asked: CreateRun, experiment: Experiment) -> Run:
    tagged = texts(asked.tags).get(RUN_NAME, "")
    if asked.run_name and tagged and asked.run_name != tagged:
        refuse_value(f"The run is named {asked.run_name!r}, and its tag {RUN_NAME} says {tagged!r}.")
    run_id = uuid4().hex
    return Run(
        id=run_id,
        experiment_id=experiment.id,
        pipeline=experiment.pipeline,
        name=asked.run_name or tagged or run_name(SystemRandom()),
        user=asked.user_id,
        status=RunStatus.RUNNING,
        started_ms=now_ms() if asked.start_time is None else asked.start_time,
        artifact_uri=f"{experiment.artifact_location.rstrip('/')}/{run_id}/{ARTIFACTS}",
    )


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty, as protobuf does."""
    return {name: value for name, value in fields.items() if value}


METHODS = (
    Method("POST", "/mlflow/runs/create", CreateRun, create),
    Method("GET", "/mlflow/runs/get", OfRun, get),
    Method("POST", "/mlflow/runs/update", UpdateRun, update),
    Method("POST", "/mlflow/runs/delete", OfRun, delete),
    Method("POST", "/mlflow/runs/restore", OfRun, restore),
    Method("POST", "/mlflow/runs/set-tag", SetTag, set_tag),
    Method("POST", "/mlflow/runs/delete-tag", DeleteTag, delete_tag),
)
