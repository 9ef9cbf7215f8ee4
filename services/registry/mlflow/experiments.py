"""Experiments, as MLflow's clients ask for them."""

from collections.abc import Mapping
from typing import Any

from services.chassis.work import Transaction
from services.registry.mlflow import values
from services.registry.mlflow.calls import Arguments, Method, done
from services.registry.mlflow.values import Entry, Required, now_ms, texts
from services.registry.tracking import experiments
from services.registry.tracking.ports import Experiments, Runs


class CreateExperiment(Arguments):
    """A new experiment."""

    name: Required
    artifact_location: str = ""
    tags: tuple[Entry, ...] = ()


class OfExperiment(Arguments):
    """An experiment, by its id."""

    experiment_id: Required


class NamedExperiment(Arguments):
    """An experiment, by its name."""

    experiment_name: Required


class RenameExperiment(OfExperiment):
    """Another name for an experiment."""

    new_name: Required


class SetExperimentTag(OfExperiment):
    """A tag for an experiment."""

    key: Required
    value: str = ""


class DeleteExperimentTag(OfExperiment):
    """A tag that an experiment shall lose."""

    key: Required


async def create(asked: CreateExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Make an experiment."""
    experiment, created = await experiments.create(
        asked.name,
        tx.port(Experiments),
        at_ms=now_ms(),
        location=asked.artifact_location or None,
        tags=texts(asked.tags),
    )
    tx.say(created)
    return {"experiment_id": experiment.id}


async def get(asked: OfExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Tell about an experiment."""
    return {"experiment": values.experiment(await experiments.find(asked.experiment_id, tx.port(Experiments)))}


async def get_by_name(asked: NamedExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Tell about an experiment."""
    return {"experiment": values.experiment(await experiments.find_named(asked.experiment_name, tx.port(Experiments)))}


async def rename(asked: RenameExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Give an experiment another name."""
    return done(await experiments.rename(asked.experiment_id, asked.new_name, tx.port(Experiments), at_ms=now_ms()), tx)


async def delete(asked: OfExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Put an experiment away."""
    kept, runs, by = tx.port(Experiments), tx.port(Runs), asked.claimed_by
    return done(await experiments.delete(asked.experiment_id, kept, runs, by=by, at_ms=now_ms()), tx)


async def restore(asked: OfExperiment, tx: Transaction) -> Mapping[str, Any]:
    """Have an experiment back."""
    return done(await experiments.restore(asked.experiment_id, tx.port(Experiments), tx.port(Runs), at_ms=now_ms()), tx)


async def set_tag(asked: SetExperimentTag, tx: Transaction) -> Mapping[str, Any]:
    """Tag an experiment."""
    return done(await experiments.set_tag(asked.experiment_id, asked.key, asked.value, tx.port(Experiments)), tx)


async def delete_tag(asked: DeleteExperimentTag, tx: Transaction) -> Mapping[str, Any]:
    """Remove a tag of an experiment."""
    return done(await experiments.remove_tag(asked.experiment_id, asked.key, tx.port(Experiments)), tx)


METHODS = (
    Method("POST", "/mlflow/experiments/create", CreateExperiment, create),
    Method("GET", "/mlflow/experiments/get", OfExperiment, get),
    Method("GET", "/mlflow/experiments/get-by-name", NamedExperiment, get_by_name),
    Method("POST", "/mlflow/experiments/update", RenameExperiment, rename),
    Method("POST", "/mlflow/experiments/delete", OfExperiment, delete),
    Method("POST", "/mlflow/experiments/restore", OfExperiment, restore),
    Method("POST", "/mlflow/experiments/set-experiment-tag", SetExperimentTag, set_tag),
    Method("POST", "/mlflow/experiments/delete-experiment-tag", DeleteExperimentTag, delete_tag),
)
