"""Searches of registered models and their versions, in SQL."""

from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.models.rows import ModelTagRow, VersionTagRow
from services.registry.rows import ModelRow, VersionRow
from services.registry.search.comparing import Column, table
from services.registry.search.language import TEXT, Condition, Key, Kind, Operator, by
from services.registry.search.pages import sorted_page
from services.registry.search.ports import Page, Question
from services.registry.search.related import Pairs
from services.registry.search.searchable import Attribute, Searchable, identifier, number, text

PROMPT = Key(Kind.TAG, "mlflow.prompt.is_prompt")
"""Tells prompts, which MLflow's clients keep among the models. They are found only when asked for."""

_MODELS = table(ModelRow)
_VERSIONS = table(VersionRow)
_OF_MODEL: dict[str, Column] = {"pipeline": _MODELS.c.pipeline}
_OF_VERSION: dict[str, Column] = {"pipeline": _VERSIONS.c.pipeline, "number": _VERSIONS.c.number}
MODELS = Searchable(
    attributes={
        "name": text(_MODELS.c.name, listed=True),
        "creation_timestamp": Attribute(_MODELS.c.registered_at, frozenset(), datetime),
        "last_updated_timestamp": Attribute(_MODELS.c.updated_at, frozenset(), datetime),
    },
    also={"timestamp": "last_updated_timestamp"},
    related={Kind.TAG: Pairs(table(ModelTagRow), _OF_MODEL, TEXT)},
    ties=(by("name"),),
)
VERSIONS = Searchable(
    attributes={
        "name": text(_MODELS.c.name, listed=True),
        "version_number": number(_VERSIONS.c.number),
        "run_id": identifier(_VERSIONS.c.source_run_id, nullable=True),
        "source_path": text(_VERSIONS.c.source),
        "creation_timestamp": Attribute(_VERSIONS.c.registered_at, frozenset(), datetime),
        "last_updated_timestamp": Attribute(_VERSIONS.c.updated_at, frozenset(), datetime),
    },
    related={Kind.TAG: Pairs(table(VersionTagRow), _OF_VERSION, TEXT)},
    order=(by("last_updated_timestamp", ascending=False),),
    ties=(by("name"), by("version_number", ascending=False)),
)


class SqlModelSearch:
    """Searches registered models and their versions, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def models(self, question: Question) -> Page[PipelineName]:
        """Find models."""
        rows = select(_MODELS.c.pipeline).where(_MODELS.c.deleted_at.is_(None))
        meant, sorts = _meant(MODELS, question.filter), MODELS.sorts(question.order)
        found = await sorted_page(self._session, rows.where(*meant), sorts, question, of=["models"])
        return Page([row.pipeline for row in found.things], found.token)

    async def versions(self, question: Question) -> Page[tuple[PipelineName, int]]:
        """Find versions."""
        rows = (
            select(_VERSIONS.c.pipeline, _VERSIONS.c.number)
            .join(_MODELS, _MODELS.c.pipeline == _VERSIONS.c.pipeline)
            .where(_MODELS.c.deleted_at.is_(None), _VERSIONS.c.deleted_at.is_(None))
        )
        meant, sorts = _meant(VERSIONS, question.filter), VERSIONS.sorts(question.order)
        found = await sorted_page(self._session, rows.where(*meant), sorts, question, of=["versions"])
        return Page([(row.pipeline, row.number) for row in found.things], found.token)


def _meant(searchable: Searchable, filter_: str) -> list[ColumnElement[bool]]:
    conditions = searchable.conditions(filter_)
    if any(condition.key == PROMPT and _wants_prompts(condition) for condition in conditions):
        return searchable.where(conditions)
    # Models have no such tag at all, and yet it is unequal to 'true', as every search for models says.
    [is_prompt] = searchable.where([Condition(PROMPT, Operator.EQUAL, "true")])
    return [~is_prompt, *searchable.where(condition for condition in conditions if condition.key != PROMPT)]


def _wants_prompts(condition: Condition) -> bool:
    return (condition.operator, str(condition.value).lower()) in ((Operator.EQUAL, "true"), (Operator.UNEQUAL, "false"))
