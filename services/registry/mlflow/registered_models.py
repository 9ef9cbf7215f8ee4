"""Registered models: the calls of MLflow's protocol about a model as such."""

from collections.abc import Mapping
from typing import Any

from contracts.message import Message, utc_now
from services.chassis.work import Transaction
from services.registry.keys import key_of
from services.registry.mlflow.calls import Arguments, Method
from services.registry.mlflow.errors import Code, MlflowError, refuse_value
from services.registry.mlflow.model_answers import model_answer, version_answer
from services.registry.mlflow.names import Tag, model_name, tag_key, tag_value, tags_by_key
from services.registry.models import naming
from services.registry.models.domain import ModelEntry, Stage
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.ports import AliasHistory

Answer = Mapping[str, Any]
DONE: Answer = {}
STAGES = {stage.value.lower(): stage for stage in Stage}


class Named(Arguments):
    """A model."""

    name: str


class CreateModel(Named):
    """A model that is to be made."""

    tags: tuple[Tag, ...] = ()
    description: str | None = None


class RenameModel(Named):
    """A model that is to be called otherwise."""

    new_name: str


class DescribeModel(Named):
    """A model and its description."""

    description: str | None = None


class TagModel(Named):
    """A model and one of its tags."""

    key: str
    value: str = ""


class UntagModel(Named):
    """A model and the key of one of its tags."""

    key: str


class LatestVersions(Named):
    """A model, and the stages whose newest versions are wanted; none: of all."""

    stages: tuple[str, ...] = ()


async def create(arguments: CreateModel, tx: Transaction) -> Answer:
    """Make a model."""
    name, tags = model_name(arguments.name), tags_by_key(arguments.tags)
    facts = await naming.create(name, tx.port(NamedModels), description=arguments.description, tags=tags, at=utc_now())
    return await _changed(name, facts, tx)


async def get(arguments: Named, tx: Transaction) -> Answer:
    """Get a model."""
    return {"registered_model": model_answer(await _entry(model_name(arguments.name), tx))}


async def rename(arguments: RenameModel, tx: Transaction) -> Answer:
    """Give a model another name."""
    name, new_name = model_name(arguments.name), model_name(arguments.new_name, "new_name")
    facts = await naming.rename(
        name, new_name, tx.port(NamedModels), tx.port(NamedVersions), by=arguments.claimed_by, at=utc_now()
    )
    return await _changed(new_name, facts, tx)


async def update(arguments: DescribeModel, tx: Transaction) -> Answer:
    """Describe a model in other words."""
    name = model_name(arguments.name)
    facts = await naming.describe(name, arguments.description, tx.port(NamedModels), at=utc_now())
    return await _changed(name, facts, tx)


async def delete(arguments: Named, tx: Transaction) -> Answer:
    """Delete a model with all its versions."""
    models, history = tx.port(NamedModels), tx.port(AliasHistory)
    facts = await naming.delete(model_name(arguments.name), models, history, by=arguments.claimed_by, at=utc_now())
    _say(facts, tx)
    return DONE


async def set_tag(arguments: TagModel, tx: Transaction) -> Answer:
    """Give a model's tag another value."""
    name, key, value = model_name(arguments.name), tag_key(arguments.key), tag_value(arguments.value)
    _say(await naming.tag(name, key, value, tx.port(NamedModels), at=utc_now()), tx)
    return DONE


async def delete_tag(arguments: UntagModel, tx: Transaction) -> Answer:
    """Remove a model's tag."""
    name, key = model_name(arguments.name), tag_key(arguments.key)
    _say(await naming.tag(name, key, None, tx.port(NamedModels), at=utc_now()), tx)
    return DONE


async def latest_versions(arguments: LatestVersions, tx: Transaction) -> Answer:
    """Get the newest version of each stage."""
    wanted = {stage_named(stage) for stage in arguments.stages} or set(Stage)
    model = await _entry(model_name(arguments.name), tx)
    found = [version_answer(version) for version in model.latest if version.stage in wanted]
    return {"model_versions": found} if found else {}


def stage_named(name: str) -> Stage:
    """Find a stage by its name, in whatever case."""
    found = STAGES.get(name.lower())
    if found is None:
        refuse_value(f"Invalid Model Version stage: {name}. Value must be one of {', '.join(Stage)}.")
    return found


async def _entry(name: str, tx: Transaction) -> ModelEntry:
    for model in await tx.port(NamedModels).entries([key_of(name)]):
        if model.name == name:
            return model
    raise MlflowError(Code.RESOURCE_DOES_NOT_EXIST, f"Registered Model with name={name} not found")


async def _changed(name: str, facts: list[Message], tx: Transaction) -> Answer:
    _say(facts, tx)
    return {"registered_model": model_answer(await _entry(name, tx))}


def _say(facts: list[Message], tx: Transaction) -> None:
    for fact in facts:
        tx.say(fact)


_AT = "/mlflow/registered-models"
METHODS: tuple[Method, ...] = (
    Method("POST", f"{_AT}/create", CreateModel, create),
    Method("GET", f"{_AT}/get", Named, get),
    Method("POST", f"{_AT}/rename", RenameModel, rename),
    Method("PATCH", f"{_AT}/update", DescribeModel, update),
    Method("DELETE", f"{_AT}/delete", Named, delete),
    Method("POST", f"{_AT}/set-tag", TagModel, set_tag),
    Method("DELETE", f"{_AT}/delete-tag", UntagModel, delete_tag),
    Method("GET", f"{_AT}/get-latest-versions", LatestVersions, latest_versions),
    Method("POST", f"{_AT}/get-latest-versions", LatestVersions, latest_versions, reads=True),
)
