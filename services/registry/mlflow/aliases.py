"""Aliases: the calls of MLflow's protocol that point a name at a version, and follow it."""

from typing import NoReturn

from services.chassis.work import Transaction, Work
from services.registry.keys import key_of
from services.registry.mlflow.calls import Arguments, Method, WaitingMethod
from services.registry.mlflow.errors import Code, MlflowError, refuse_value
from services.registry.mlflow.model_answers import version_answer
from services.registry.mlflow.names import LATEST, alias_name, model_name, new_alias_name, version_number
from services.registry.mlflow.registered_models import DONE, Answer
from services.registry.models import moves
from services.registry.models.ports import NamedModels, NamedVersions


class OneAlias(Arguments):
    """An alias of a model."""

    name: str
    alias: str


class PointAlias(OneAlias):
    """An alias of a model, and the version it is to point at."""

    version: str


async def set_alias(arguments: PointAlias, work: Work) -> Answer:
    """Point an alias at a version: the registry's own are decided about as everywhere.

    MLflow's clients overlook what the answer says of a champion's serving; whoever reads it knows at once.
    """
    name, alias = model_name(arguments.name), new_alias_name(arguments.alias)
    told = await moves.point(name, alias, version_number(arguments.version), work, by=arguments.claimed_by)
    return {"serving": told} if told else DONE


async def delete_alias(arguments: OneAlias, tx: Transaction) -> Answer:
    """Let an alias point at nothing."""
    await moves.remove(model_name(arguments.name), alias_name(arguments.alias), tx, by=arguments.claimed_by)
    return DONE


async def version_by_alias(arguments: OneAlias, tx: Transaction) -> Answer:
    """Get the version that an alias points at."""
    name, alias = model_name(arguments.name), alias_name(arguments.alias)
    pipeline, versions = key_of(name), tx.port(NamedVersions)
    if alias.lower() == LATEST:
        version = max(await versions.latest([pipeline]), key=lambda one: one.number, default=None)
    else:
        version = await versions.aliased(pipeline, alias)
    if version is None or version.name != name:
        _nothing_there(name, alias, is_there=bool(await tx.port(NamedModels).entries([pipeline])))
    return {"model_version": version_answer(version)}


def _nothing_there(name: str, alias: str, *, is_there: bool) -> NoReturn:
    if not is_there:
        raise MlflowError(Code.RESOURCE_DOES_NOT_EXIST, f"Registered Model with name={name} not found")
    if alias.lower() == LATEST:
        raise MlflowError(Code.RESOURCE_DOES_NOT_EXIST, f"Latest version not found for model {name}.")
    refuse_value(f"Registered model alias {alias} not found.")


_AT = "/mlflow/registered-models/alias"
METHODS: tuple[Method, ...] = (
    WaitingMethod("POST", _AT, PointAlias, set_alias),
    Method("DELETE", _AT, OneAlias, delete_alias),
    Method("GET", _AT, OneAlias, version_by_alias),
)
