"""MLflow's searches of registered models, their versions, and logged models."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from services.chassis.work import Transaction
from services.registry.logged_models.ports import LoggedModels
from services.registry.mlflow.calls import Arguments, Method
from services.registry.mlflow.errors import refuse_value
from services.registry.mlflow.logged_model_answers import logged_model_answer
from services.registry.mlflow.model_answers import model_answer, version_answer
from services.registry.mlflow.search import MOST_EXPERIMENTS, Search, answer, experiment_number, page_size
from services.registry.mlflow.values import Part, Required
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.search.ports import LoggedModelSearch, ModelOrder, ModelSearch, OnDataset, Question

MOST_MODELS = 1_000
MOST_VERSIONS = 200_000
LARGEST_PAGE = 10_000
"""Versions, or logged models, of a page; who wants more is given the token of the next."""


class SearchModels(Search):
    """Which models are looked for."""

    max_results: int = 100


class SearchVersions(Search):
    """Which versions are looked for."""

    max_results: int = MOST_VERSIONS


class Dataset(Part):
    """A dataset metrics were measured on."""

    dataset_name: Required
    dataset_digest: str = ""


class FieldOrder(Part):
    """What logged models are sorted by."""

    field_name: Required
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchLoggedModels(Arguments):
    """Which logged models are looked for."""

    experiment_ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_EXPERIMENTS)]
    filter: str = ""
    datasets: Annotated[tuple[Dataset, ...], Field(max_length=100)] = ()
    max_results: int = 50
    order_by: tuple[FieldOrder, ...] = ()
    page_token: str = ""


async def search_models(asked: SearchModels, tx: Transaction) -> Mapping[str, Any]:
    """Find models."""
    found = await tx.port(ModelSearch).models(asked.question(page_size(asked.max_results, MOST_MODELS)))
    models = await tx.port(NamedModels).entries(found.things)
    return answer("registered_models", [model_answer(model) for model in models], found)


async def search_versions(asked: SearchVersions, tx: Transaction) -> Mapping[str, Any]:
    """Find versions."""
    limit = min(page_size(asked.max_results, MOST_VERSIONS), LARGEST_PAGE)
    found = await tx.port(ModelSearch).versions(asked.question(limit))
    versions = await tx.port(NamedVersions).entries(found.things)
    return answer("model_versions", [version_answer(version) for version in versions], found)


async def search_logged_models(asked: SearchLoggedModels, tx: Transaction) -> Mapping[str, Any]:
    """Find logged models, with all that is known about them."""
    for experiment_id in asked.experiment_ids:
        experiment_number(experiment_id)
    limit = min(page_size(asked.max_results or 50, MOST_VERSIONS), LARGEST_PAGE)
    found = await tx.port(LoggedModelSearch).logged_models(
        asked.experiment_ids,
        Question(asked.filter, (), limit, asked.page_token),
        datasets=tuple(OnDataset(one.dataset_name, one.dataset_digest or None) for one in asked.datasets),
        orders=tuple(map(_order, asked.order_by)),
    )
    records = await tx.port(LoggedModels).records([model.id for model in found.things])
    return answer("models", [logged_model_answer(model, records[model.id]) for model in found.things], found)


def _order(given: FieldOrder) -> ModelOrder:
    if given.dataset_digest and not given.dataset_name:
        refuse_value("`dataset_digest` can only be specified if `dataset_name` is also specified.")
    return ModelOrder(given.field_name, given.ascending, given.dataset_name or None, given.dataset_digest or None)


METHODS = (
    Method("GET", "/mlflow/registered-models/search", SearchModels, search_models),
    Method("GET", "/mlflow/model-versions/search", SearchVersions, search_versions),
    Method("POST", "/mlflow/logged-models/search", SearchLoggedModels, search_logged_models, reads=True),
)
