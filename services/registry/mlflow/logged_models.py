"""MLflow's calls about logged models: made before their files are uploaded, finalized after."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from services.chassis.work import Transaction
from services.registry.logged_models import changes
from services.registry.logged_models.domain import LoggedModel
from services.registry.logged_models.ports import LoggedModels
from services.registry.mlflow.calls import Arguments, Method, done
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.logged_model_answers import STATUSES, WORDS, logged_model_answer
from services.registry.mlflow.values import Entry, Required, now_ms, texts
from services.registry.tracking.ports import Experiments


class Creation(Arguments):
    """A model that is about to be uploaded."""

    experiment_id: Required
    name: str = ""
    model_type: str | None = None
    source_run_id: str | None = None
    params: tuple[Entry, ...] = ()
    tags: tuple[Entry, ...] = ()


class OneModel(Arguments):
    """A model that is there."""

    model_id: str


class Reading(OneModel):
    """A model, perhaps one that was deleted."""

    allow_deleted: bool = False


class Finalization(OneModel):
    """What became of a model's upload."""

    status: Required


class ParamLog(OneModel):
    """Parameters of a model."""

    params: tuple[Entry, ...] = ()


class Tagging(OneModel):
    """Tags of a model."""

    tags: tuple[Entry, ...] = ()


class Untagging(OneModel):
    """A tag that a model shall not have."""

    tag_key: str


async def create(arguments: Creation, transaction: Transaction) -> Mapping[str, Any]:
    """Make a model that is about to be uploaded."""
    wish = changes.Wish(
        experiment_id=arguments.experiment_id,
        name=arguments.name,
        model_type=arguments.model_type,
        source_run_id=arguments.source_run_id,
        params=texts(arguments.params),
        tags=texts(arguments.tags),
    )
    models, experiments = transaction.port(LoggedModels), transaction.port(Experiments)
    model, facts = await changes.create(wish, models, experiments, digits=uuid4().hex, at_ms=now_ms())
    done(facts, transaction)
    return await _answer(model, models)


async def get(arguments: Reading, transaction: Transaction) -> Mapping[str, Any]:
    """Find a model with everything known about it."""
    models = transaction.port(LoggedModels)
    return await _answer(await changes.find(arguments.model_id, models, allow_deleted=arguments.allow_deleted), models)


async def finalize(arguments: Finalization, transaction: Transaction) -> Mapping[str, Any]:
    """Say what became of a model's upload."""
    status = STATUSES.get(arguments.status)
    if status is None:
        refuse_value(
            f"Invalid value for parameter 'status': '{arguments.status}' is none of {', '.join(WORDS.values())}."
        )
    models = transaction.port(LoggedModels)
    model, facts = await changes.finalize(arguments.model_id, status, models, at_ms=now_ms())
    done(facts, transaction)
    return await _answer(model, models)


async def delete(arguments: OneModel, transaction: Transaction) -> Mapping[str, Any]:
    """Put a model away."""
    models, by = transaction.port(LoggedModels), arguments.claimed_by
    return done(await changes.delete(arguments.model_id, models, by=by, at_ms=now_ms()), transaction)


async def log_params(arguments: ParamLog, transaction: Transaction) -> Mapping[str, Any]:
    """Add parameters; those that are there never change."""
    params = texts(arguments.params)
    return done(await changes.add_params(arguments.model_id, params, transaction.port(LoggedModels)), transaction)


async def set_tags(arguments: Tagging, transaction: Transaction) -> Mapping[str, Any]:
    """Give tags other values."""
    tags = texts(arguments.tags)
    return done(await changes.tag(arguments.model_id, tags, transaction.port(LoggedModels)), transaction)


async def delete_tag(arguments: Untagging, transaction: Transaction) -> Mapping[str, Any]:
    """Remove a tag."""
    tags = {arguments.tag_key: None}
    return done(await changes.tag(arguments.model_id, tags, transaction.port(LoggedModels)), transaction)


async def _answer(model: LoggedModel, models: LoggedModels) -> Mapping[str, Any]:
    return {"model": logged_model_answer(model, (await models.records([model.id]))[model.id])}


_ONE = "/mlflow/logged-models/{model_id}"
METHODS = (
    Method("POST", "/mlflow/logged-models", Creation, create),
    Method("GET", _ONE, Reading, get),
    Method("PATCH", _ONE, Finalization, finalize),
    Method("DELETE", _ONE, OneModel, delete),
    Method("POST", f"{_ONE}/params", ParamLog, log_params),
    Method("PATCH", f"{_ONE}/tags", Tagging, set_tags),
    Method("DELETE", f"{_ONE}/tags/{{tag_key:path}}", Untagging, delete_tag),
)
