"""What the facts about models and versions as people name them say of the state."""

from contracts.message import Message
from contracts.registered_models import (
    ModelAliasMoved,
    ModelCreated,
    ModelDeleted,
    ModelDescribed,
    ModelGatesDeclared,
    ModelRenamed,
    ModelTagged,
    ModelVersionArchived,
    ModelVersionDeleted,
    ModelVersionGatesWaived,
    ModelVersionLogged,
)
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Subscription
from services.registry.domain import Alias, AliasChange, Decision, VersionState
from services.registry.mlflow.identity import MLFLOW
from services.registry.models.champions import keep
from services.registry.models.domain import NewVersion
from services.registry.models.naming import GONE, OWN_ALIASES
from services.registry.models.ports import NamedAliases, NamedModels, NamedVersions
from services.registry.ports import AliasHistory


async def model_created(event: ModelCreated, models: NamedModels) -> list[Message]:
    """Add a model, or have a deleted one back."""
    _same(event.pipeline, await models.create(event.name, description=event.description, tags=event.tags, at=event.at))
    return []


async def model_renamed(event: ModelRenamed, models: NamedModels) -> list[Message]:
    """Give it another name and key."""
    _same(event.pipeline, await models.rename(event.previous_pipeline, event.name, at=event.at))
    return []


async def described(event: ModelDescribed, models: NamedModels, versions: NamedVersions) -> list[Message]:
    """Describe it, or a version of it, in other words."""
    if event.version is None:
        await models.describe(event.pipeline, event.description, at=event.at)
    else:
        await versions.describe(event.pipeline, event.version, event.description, at=event.at)
    return []


async def tagged(event: ModelTagged, models: NamedModels, versions: NamedVersions) -> list[Message]:
    """Change a tag of it, or of a version of it."""
    if event.version is None:
        await models.tag(event.pipeline, event.key, event.value)
    else:
        await versions.tag(event.pipeline, event.version, event.key, event.value)
    return []


async def model_deleted(event: ModelDeleted, models: NamedModels) -> list[Message]:
    """Delete it with its versions."""
    await models.delete(event.pipeline, Decision(event.deleted_by or MLFLOW, GONE, event.at))
    return []


async def alias_moved(
    event: ModelAliasMoved, aliases: NamedAliases, versions: NamedVersions, history: AliasHistory
) -> list[Message]:
    """Point an alias elsewhere; where it is the registry's own, whoever is champion was promoted by it."""
    decision = Decision(event.moved_by, event.reason, event.at)
    if event.alias not in OWN_ALIASES:
        await aliases.point(event.pipeline, event.alias, event.version, decision)
        return []
    alias = Alias(event.alias)
    await history.extend(event.pipeline, (AliasChange(alias, event.version, decision),))
    if alias is Alias.CHAMPION and event.version is not None:
        await versions.decide(event.pipeline, event.version, VersionState.PROMOTED, decision)
        await keep(event, versions)
    return []


async def version_logged(event: ModelVersionLogged, versions: NamedVersions) -> list[Message]:
    """Add a version that a client logged."""
    version = NewVersion(
        source=event.source,
        location=event.location,
        run_id=event.run_id,
        run_link=event.run_link,
        model_id=event.model_id,
        description=event.description,
        tags=event.tags,
    )
    added = await versions.add(event.pipeline, version, at=event.at)
    _same(event.version, added.number if added else None)
    return []


async def gates_waived(event: ModelVersionGatesWaived, versions: NamedVersions) -> list[Message]:
    """Let a person answer for it."""
    decision = Decision(event.waived_by, event.reason, event.at)
    await versions.decide(event.pipeline, event.version, VersionState.WAIVED, decision)
    return []


async def gates_declared(event: ModelGatesDeclared, models: NamedModels) -> list[Message]:
    """Hold its versions against other gates."""
    await models.declare(event.pipeline, event.gates, at=event.at)
    return []


async def version_archived(event: ModelVersionArchived, versions: NamedVersions) -> list[Message]:
    """Put it away, or take it out again."""
    await versions.archive(event.pipeline, event.version, event.archived, at=event.at)
    return []


async def version_deleted(event: ModelVersionDeleted, versions: NamedVersions) -> list[Message]:
    """Delete it; its number stays taken."""
    await versions.delete(event.pipeline, event.version, at=event.at)
    return []


def _same(said: str | int, found: str | int | None) -> None:
    """Make sure that what is made again is what was said, or the log has holes."""
    if said != found:
        raise RejectedError("made_otherwise", said=said, made=found)


REPLAYED = (
    Subscription(ModelCreated, model_created),
    Subscription(ModelRenamed, model_renamed),
    Subscription(ModelDescribed, described),
    Subscription(ModelTagged, tagged),
    Subscription(ModelDeleted, model_deleted),
    Subscription(ModelAliasMoved, alias_moved),
    Subscription(ModelVersionLogged, version_logged),
    Subscription(ModelVersionGatesWaived, gates_waived),
    Subscription(ModelGatesDeclared, gates_declared),
    Subscription(ModelVersionArchived, version_archived),
    Subscription(ModelVersionDeleted, version_deleted),
)
