"""What the facts about logged models say of the state."""

from contracts.logged_models import (
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelDescribed,
    LoggedModelFinalized,
)
from contracts.message import Message
from services.chassis.subscriptions import Subscription
from services.registry.logged_models.changes import find
from services.registry.logged_models.domain import LoggedModel, ModelStatus
from services.registry.logged_models.ports import LoggedModels


async def created(event: LoggedModelCreated, models: LoggedModels) -> list[Message]:
    """Add a model."""
    model = LoggedModel(
        id=event.model_id,
        experiment_id=event.experiment_id,
        pipeline=event.pipeline,
        name=event.name,
        artifact_uri=event.artifact_uri,
        created_ms=event.at_ms,
        updated_ms=event.at_ms,
        model_type=event.model_type,
        source_run_id=event.source_run_id,
    )
    await models.add(model, params=event.params, tags=event.tags)
    return []


async def finalized(event: LoggedModelFinalized, models: LoggedModels) -> list[Message]:
    """Change its status."""
    model = await find(event.model_id, models, allow_deleted=True)
    await models.put(model.finalized(ModelStatus(event.status), event.at_ms))
    return []


async def described(event: LoggedModelDescribed, models: LoggedModels) -> list[Message]:
    """Add its parameters and change its tags."""
    await models.add_params(event.model_id, event.params)
    await models.tag(event.model_id, {change.key: change.value for change in event.tags})
    return []


async def deleted(event: LoggedModelDeleted, models: LoggedModels) -> list[Message]:
    """Put it away."""
    model = await find(event.model_id, models, allow_deleted=True)
    await models.put(model.deleted(event.at_ms))
    return []


REPLAYED = (
    Subscription(LoggedModelCreated, created),
    Subscription(LoggedModelFinalized, finalized),
    Subscription(LoggedModelDescribed, described),
    Subscription(LoggedModelDeleted, deleted),
)
