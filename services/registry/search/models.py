"""Searches of registered models and their versions, in SQL."""

from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.models.rows import ModelTagRow, VersionTagRow
from services.registry.rows import ModelRow, VersionRow
from services.registry.search.comparing import Column
from services.registry.search.language import TEXT, Condition, Key, Kind, Operator, by
from services.registry.search.pages import sorted_page
from services.registry.search.ports import Page, Question
from services.registry.search.related import Pairs
from services.registry.search.searchable import Attribute, Searchable, identifier, number, text

PROMPT = Key(Kind.TAG, "mlflow.prompt.is_prompt")
"""Tells prompts, which MLflow's clients keep among the models. They are found only when asked for."""

_OF_MODEL: dict[str, Column] = {"pipeline": col(ModelRow.pipeline)}
_OF_VERSION: dict[str, Column] = {"pipeline": col(VersionRow.pipeline), "number": col(VersionRow.number)}
MODELS = Searchable(
    attributes={
        "name": text(col(ModelRow.name), listed=True),
        "creation_timestamp": Attribute(col(ModelRow.registered_at), frozenset(), datetime),
        "last_updated_timestamp": Attribute(col(ModelRow.updated_at), frozenset(), datetime),
    },
    also={"timestamp": "last_updated_timestamp"},
    related={Kind.TAG: Pairs(ModelTagRow, _OF_MODEL, TEXT)},
    ties=(by("name"),),
)
VERSIONS = Searchable(
    attributes={
        "name": text(col(ModelRow.name), listed=True),
        "version_number": number(col(VersionRow.number)),
        "run_id": identifier(col(VersionRow.source_run_id), nullable=True),
        "source_path": text(col(VersionRow.source)),
        "creation_timestamp": Attribute(col(VersionRow.registered_at), frozenset(), datetime),
        "last_updated_timestamp": Attribute(col(VersionRow.updated_at), frozenset(), datetime),
    },
    related={Kind.TAG: Pairs(VersionTagRow, _OF_VERSION, TEXT)},
    order=(by("last_updated_timestamp", ascending=False),),
    ties=(by("name"), by("version_number", ascending=False)),
)


class SqlModelSearch:
    """Searches registered models and their versions, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def models(self, question: Question) -> Page[PipelineName]:
        """Find models."""
        rows = select(col(ModelRow.pipeline)).where(col(ModelRow.deleted_at).is_(None))
        meant, sorts = _meant(MODELS, question.filter), MODELS.sorts(question.order)
        found = await sorted_page(self._session, rows.where(*meant), sorts, question, of=["models"])
        return Page([row.pipeline for row in found.things], found.token)

    async def versions(self, question: Question) -> Page[tuple[PipelineName, int]]:
        """Find versions."""
        rows = (
            select(col(VersionRow.pipeline), col(VersionRow.number))
            .join(ModelRow, col(ModelRow.pipeline) == VersionRow.pipeline)
            .where(col(ModelRow.deleted_at).is_(None), col(VersionRow.deleted_at).is_(None))
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
