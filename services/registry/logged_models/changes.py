"""What becomes of logged models: wishes in, what was done about them out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from contracts.logged_models import (
    LoggedModelCreated,
    LoggedModelDeleted,
    LoggedModelDescribed,
    LoggedModelFinalized,
)
from contracts.message import Message
from contracts.tracking import TagChange
from services.chassis.errors import MalformedError, RejectedError
from services.registry.logged_models.domain import LoggedModel, ModelStatus
from services.registry.logged_models.ports import LoggedModels
from services.registry.tracking import domain
from services.registry.tracking.domain import Stage
from services.registry.tracking.experiments import find as find_experiment
from services.registry.tracking.limits import LONGEST_KEY, check_length
from services.registry.tracking.names import run_name
from services.registry.tracking.ports import Experiments

T = TypeVar("T")

LONGEST_NAME = 500
LONGEST_TYPE = 500
NOT_IN_NAMES = "/:.%\"'"
"""Whoever reads a model's URI would take what follows them for something else."""
MOST_CHARACTERS = 75_000
"""Of texts in one message: the bus takes 512 KiB, and JSON may need 6 bytes for one of them."""


@dataclass(frozen=True)
class Wish:
    """A model somebody is about to upload."""

    experiment_id: str
    name: str = ""
    model_type: str | None = None
    source_run_id: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


async def find(model_id: str, models: LoggedModels, *, allow_deleted: bool = False) -> LoggedModel:
    """Find a model.

    Raises:
        RejectedError: There is none, or it was deleted.
    """
    model = await models.get(model_id)
    if model is None or (model.stage is Stage.DELETED and not allow_deleted):
        raise RejectedError("logged_model_not_found", model_id=model_id)
    return model


async def create(
    wish: Wish, models: LoggedModels, experiments: Experiments, *, digits: str, at_ms: int
) -> tuple[LoggedModel, list[Message]]:
    """Make a model.

    Args:
        wish: What it shall be.
        models: Where it is kept.
        experiments: Where its experiment is.
        digits: 32 hexadecimal ones that no other model has.
        at_ms: Now.

    Raises:
        RejectedError: There is no such experiment in use, or something is too long.
        MalformedError: The name is no good.
    """
    experiment = await find_experiment(wish.experiment_id, experiments)
    experiment.must_be_active()
    if any(character in wish.name for character in NOT_IN_NAMES):
        raise MalformedError("invalid_name", name=wish.name, not_allowed=" ".join(NOT_IN_NAMES))
    check_length("name", wish.name, LONGEST_NAME)
    check_length("model_type", wish.model_type or "", LONGEST_TYPE)
    _check_keys([*wish.params, *wish.tags])
    model = LoggedModel(
        id=f"m-{digits}",
        experiment_id=experiment.id,
        pipeline=experiment.pipeline,
        name=wish.name or run_name(Random(digits)),  # noqa: S311  # a name, no secret
        artifact_uri=f"{experiment.artifact_location.rstrip('/')}/models/m-{digits}/artifacts",
        created_ms=at_ms,
        updated_ms=at_ms,
        model_type=wish.model_type or None,
        source_run_id=wish.source_run_id or None,
    )
    facts = _created(model, wish)
    await models.add(model, params=wish.params, tags=wish.tags)
    return model, facts


async def finalize(
    model_id: str, status: ModelStatus, models: LoggedModels, *, at_ms: int
) -> tuple[LoggedModel, list[Message]]:
    """Say what became of a model's upload.

    Raises:
        RejectedError: There is no such model.
    """
    before = await _hold(model_id, models)
    model = before.finalized(status, at_ms)
    await models.put(model)
    finalized = LoggedModelFinalized(
        pipeline=model.pipeline,
        model_id=model.id,
        status=model.status,
        previous_status=before.status,
        at_ms=at_ms,
    )
    return model, [finalized]


async def delete(model_id: str, models: LoggedModels, *, by: str, at_ms: int) -> list[Message]:
    """Put a model away; again changes nothing.

    Raises:
        RejectedError: There is no such model.
    """
    before = await _hold(model_id, models)
    if before.stage is Stage.DELETED:
        return []
    model = before.deleted(at_ms)
    await models.put(model)
    return [LoggedModelDeleted(pipeline=model.pipeline, model_id=model.id, deleted_by=by, at_ms=at_ms)]


async def add_params(model_id: str, params: Mapping[str, str], models: LoggedModels) -> list[Message]:
    """Add parameters.

    Raises:
        RejectedError: There is no such model.
        MalformedError: A parameter has another value already; none is added.
    """
    _check_keys(params)
    model = await _hold(model_id, models)
    kept = await models.add_params(model.id, params)
    for key, value in kept.items():
        if params[key] != value:
            raise MalformedError("param_never_changes", model_id=model.id, key=key, value=value, new_value=params[key])
    return _described(model, params={key: params[key] for key in params if key not in kept})


async def tag(model_id: str, tags: Mapping[str, str | None], models: LoggedModels) -> list[Message]:
    """Give tags other values, or remove them.

    Raises:
        RejectedError: There is no such model, or not the tag that is to be removed.
    """
    _check_keys(tags)
    model = await _hold(model_id, models)
    changes = await models.tag(model.id, tags)
    missing = {key for key, value in tags.items() if value is None} - {change.key for change in changes}
    if missing:
        raise RejectedError("tag_not_found", model_id=model.id, key=", ".join(sorted(missing)))
    return _described(model, changes=changes)


async def _hold(model_id: str, models: LoggedModels) -> LoggedModel:
    # MLflow's servers let one that was deleted be changed still.
    await models.hold(model_id)
    return await find(model_id, models, allow_deleted=True)


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if not key:
            raise MalformedError("key_missing")
        check_length("key", key, LONGEST_KEY)


def _created(model: LoggedModel, wish: Wish) -> list[Message]:
    created = LoggedModelCreated(
        pipeline=model.pipeline,
        model_id=model.id,
        experiment_id=model.experiment_id,
        name=model.name,
        model_type=model.model_type,
        source_run_id=model.source_run_id,
        artifact_uri=model.artifact_uri,
        at_ms=model.created_ms,
    )
    record = {"params": dict(wish.params), "tags": dict(wish.tags)}
    if sum(len(key) + len(value) for pairs in record.values() for key, value in pairs.items()) <= MOST_CHARACTERS:
        return [created.model_copy(update=record)]
    changes = [domain.TagChange(key, value) for key, value in wish.tags.items()]
    return [created, *_described(model, params=wish.params, changes=changes)]


def _described(
    model: LoggedModel, *, params: Mapping[str, str] | None = None, changes: Iterable[domain.TagChange] = ()
) -> list[Message]:
    empty = LoggedModelDescribed(pipeline=model.pipeline, model_id=model.id)
    tags = {each.key: TagChange(key=each.key, value=each.value, previous=each.previous) for each in changes}
    return [
        *(empty.model_copy(update={"params": batch}) for batch in _batches(params or {})),
        *(empty.model_copy(update={"tags": tuple(batch.values())}) for batch in _batches(tags)),
    ]


def _batches(pairs: Mapping[str, T]) -> Iterator[dict[str, T]]:
    batch: dict[str, T] = {}
    filled = 0
    for key, value in pairs.items():
        length = len(key) + len(str(value))
        if batch and filled + length > MOST_CHARACTERS:
            yield batch
            batch, filled = {}, 0
        batch[key] = value
        filled += length
    if batch:
        yield batch
