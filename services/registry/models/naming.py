"""What people may say about models and versions, and what is said on the bus about it. Ports in, facts out."""

from collections.abc import Mapping
from datetime import datetime

from contracts.message import Message
from contracts.model import PipelineName
from contracts.registered_models import (
    ModelAliasMoved,
    ModelCreated,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    ModelTagged,
    ModelVersionDeleted,
    ModelVersionLogged,
)
from contracts.registry import GateVerdict
from services.chassis.errors import RejectedError
from services.registry.domain import Alias, Aliases, Decision, changes, replay
from services.registry.facts import moves
from services.registry.keys import key_of
from services.registry.models.domain import HeldModel, NewVersion, VersionEntry
from services.registry.models.ports import NamedAliases, NamedModels, NamedVersions
from services.registry.ports import AliasHistory

OWN_ALIASES = frozenset(Alias)
GONE = "the model was deleted"
ADOPTION = "policy:pipeline"


async def held(name: str, models: NamedModels) -> HeldModel:
    """Find a model by name, and hold it.

    Raises:
        RejectedError: There is none.
    """
    model = await models.hold(name)
    if model is None:
        raise RejectedError("registered_model_not_found", name=name)
    return model


async def found(model: HeldModel, number: int, versions: NamedVersions) -> VersionEntry:
    """Find a version of a model.

    Raises:
        RejectedError: There is none.
    """
    version = await versions.get(model.pipeline, number)
    if version is None:
        raise RejectedError("model_version_not_found", name=model.name, version=number)
    return version


async def create(
    name: str, models: NamedModels, *, description: str | None, tags: Mapping[str, str], at: datetime
) -> list[Message]:
    """Make a model.

    Raises:
        RejectedError: There is one of that name.
    """
    pipeline = await models.create(name, description=description, tags=tags, at=at)
    if pipeline is None:
        raise RejectedError("registered_model_exists", name=name)
    return [ModelCreated(pipeline=pipeline, name=name, description=description, tags=dict(tags), at=at)]


async def rename(
    name: str, new_name: str, models: NamedModels, versions: NamedVersions, *, by: str, at: datetime
) -> list[Message]:
    """Give a model another name.

    Raises:
        RejectedError: It is a pipeline's, which is named in its file, or people ask it by its name, or there are
            versions of the other.
    """
    model = await held(name, models)
    if model.name == new_name:
        return []
    if model.is_pipeline:
        raise RejectedError("pipeline_keeps_its_name", name=name)
    champion = await versions.aliased(model.pipeline, Alias.CHAMPION)
    if champion and champion.bundle_uri:
        raise RejectedError("served_model_keeps_its_name", name=name, version=champion.number)
    pipeline = await models.rename(model.pipeline, new_name, at=at)
    if pipeline is None:
        raise RejectedError("registered_model_exists", name=new_name)
    return [
        ModelRenamed(
            pipeline=pipeline,
            name=new_name,
            previous_name=model.name,
            previous_pipeline=model.pipeline,
            renamed_by=by,
            at=at,
        )
    ]


async def delete(name: str, models: NamedModels, history: AliasHistory, *, by: str, at: datetime) -> list[Message]:
    """Delete a model with all its versions. Whoever answered in its name does so no more.

    Raises:
        RejectedError: It is a pipeline's, whose versions are what serving goes back to.
    """
    model = await held(name, models)
    if model.is_pipeline:
        raise RejectedError("pipeline_keeps_its_model", name=name)
    moved = await _let_all_go(model.pipeline, Decision(by, GONE, at), history)
    versions = await models.delete(model.pipeline, Decision(by, GONE, at))
    deleted = ModelDeleted(pipeline=model.pipeline, name=name, versions=versions, deleted_by=by, at=at)
    return [*(fact.model_copy(update={"retired": True}) for fact in moved), deleted]


async def describe(name: str, description: str | None, models: NamedModels, *, at: datetime) -> list[Message]:
    """Describe a model in other words."""
    model = await held(name, models)
    if (model.description or "") == (description or ""):
        return []
    await models.describe(model.pipeline, description, at=at)
    return [
        ModelDescribed(pipeline=model.pipeline, description=description, previous_description=model.description, at=at)
    ]


async def tag(name: str, key: str, value: str | None, models: NamedModels, *, at: datetime) -> list[Message]:
    """Give a model's tag another value, or remove it."""
    model = await held(name, models)
    previous = await models.tag(model.pipeline, key, value)
    if previous == value:
        return []
    return [ModelTagged(pipeline=model.pipeline, key=key, value=value, previous_value=previous, at=at)]


async def log_version(
    name: str, version: NewVersion, versions: NamedVersions, *, at: datetime
) -> tuple[VersionEntry, ModelVersionLogged]:
    """Register what a client logged; what it became, and what is to be said.

    Raises:
        RejectedError: There is no such model.
    """
    logged = await versions.add(key_of(name), version, at=at)
    if logged is None or logged.name != name:
        raise RejectedError("registered_model_not_found", name=name)
    fact = ModelVersionLogged(
        pipeline=logged.pipeline,
        version=logged.number,
        source=version.source,
        location=version.location,
        run_id=version.run_id,
        run_link=version.run_link,
        model_id=version.model_id,
        description=version.description,
        tags=dict(version.tags),
        at=at,
    )
    return logged, fact


async def describe_version(
    name: str, number: int, description: str | None, models: NamedModels, versions: NamedVersions, *, at: datetime
) -> list[Message]:
    """Describe a version in other words."""
    model = await held(name, models)
    version = await found(model, number, versions)
    if (version.description or "") == (description or ""):
        return []
    await versions.describe(model.pipeline, number, description, at=at)
    return [
        ModelDescribed(
            pipeline=model.pipeline,
            version=number,
            description=description,
            previous_description=version.description,
            at=at,
        )
    ]


async def tag_version(
    name: str, number: int, key: str, value: str | None, models: NamedModels, versions: NamedVersions, *, at: datetime
) -> list[Message]:
    """Give a version's tag another value, or remove it."""
    model = await held(name, models)
    await found(model, number, versions)
    previous = await versions.tag(model.pipeline, number, key, value)
    if previous == value:
        return []
    return [ModelTagged(pipeline=model.pipeline, version=number, key=key, value=value, previous_value=previous, at=at)]


async def delete_version(
    name: str, number: int, models: NamedModels, versions: NamedVersions, *, by: str, at: datetime
) -> list[Message]:
    """Delete a version, and people's aliases of it.

    Raises:
        RejectedError: An alias of the registry points at it: it is served, waits for a person, or is gone back to.
    """
    model = await held(name, models)
    version = await found(model, number, versions)
    if used := [alias for alias in version.aliases if alias in OWN_ALIASES]:
        raise RejectedError("version_in_use", name=name, version=number, aliases=", ".join(used))
    await versions.delete(model.pipeline, number, at=at)
    deleted = ModelVersionDeleted(
        pipeline=model.pipeline,
        version=number,
        location=version.location,
        aliases=version.aliases,
        deleted_by=by,
        at=at,
    )
    return [deleted]


async def point_alias(
    model: HeldModel, alias: str, number: int | None, aliases: NamedAliases, *, by: str, at: datetime
) -> list[Message]:
    """Point an alias of people's own at a version that is there, or at none."""
    previous = await aliases.find(model.pipeline, alias)
    if previous == number:
        return []
    await aliases.point(model.pipeline, alias, number, Decision(by, "", at))
    return [
        ModelAliasMoved(
            pipeline=model.pipeline, alias=alias, version=number, previous_version=previous, moved_by=by, at=at
        )
    ]


def own_aliases_moved(
    pipeline: PipelineName,
    before: Aliases,
    after: Aliases,
    decision: Decision,
    verdicts: tuple[GateVerdict, ...] = (),
) -> list[ModelAliasMoved]:
    """Say where the registry's own aliases point now, where nothing else that is said tells it."""
    return [
        ModelAliasMoved(
            pipeline=pipeline,
            alias=move.alias,
            version=move.version,
            previous_version=move.previous_version,
            moved_by=decision.by,
            reason=decision.reason,
            verdicts=verdicts if move.alias == Alias.CHAMPION else (),
            at=decision.at,
        )
        for move in moves(before, after)
    ]


async def adopt(pipeline: PipelineName, history: AliasHistory, *, at: datetime) -> list[Message]:
    """Let a pipeline have a model that was only logged so far: from now on its gates decide who is champion."""
    decision = Decision(ADOPTION, "the model has a pipeline now, whose gates decide", at)
    return [*await _let_all_go(pipeline, decision, history)]


async def _let_all_go(pipeline: PipelineName, decision: Decision, history: AliasHistory) -> list[ModelAliasMoved]:
    before, after = replay(await history.of_model(pipeline)), Aliases()
    await history.extend(pipeline, changes(before, after, decision))
    return own_aliases_moved(pipeline, before, after, decision)
