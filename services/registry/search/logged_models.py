"""Searches of logged models, in SQL. A metric of a model has many points, which may be of several datasets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true
from sqlalchemy.orm import aliased
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.logged_models.domain import LoggedModel
from services.registry.logged_models.rows import LoggedModelParamRow, LoggedModelRow, LoggedModelTagRow
from services.registry.search.comparing import Column
from services.registry.search.language import LISTED, TEXT, Kind, SearchError, by
from services.registry.search.pages import sorted_page
from services.registry.search.ports import ModelOrder, OnDataset, Page, Question
from services.registry.search.related import Numbers, Pairs, number_sort
from services.registry.search.searchable import MAX_SORTS, Searchable, identifier, number, text
from services.registry.search.sorting import Sort
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import ExperimentRow, ModelMetricRow
from services.registry.tracking.store import number_of

METRICS = "metrics."
_OF_MODEL: dict[str, Column] = {"model_id": col(LoggedModelRow.id)}


@dataclass(frozen=True)
class Points(Numbers):
    """The points of a model's metrics, of some datasets if any are named."""

    datasets: tuple[OnDataset, ...] = ()

    def _named(self, row: Any, name: str) -> ColumnElement[bool]:
        return and_(super()._named(row, name), _on(row, self.datasets))


LOGGED_MODELS = Searchable(
    attributes={
        "name": text(col(LoggedModelRow.name), listed=True),
        "model_id": identifier(col(LoggedModelRow.id)),
        "model_type": text(col(LoggedModelRow.model_type), listed=True, nullable=True),
        "status": text(col(LoggedModelRow.status), listed=True),
        "source_run_id": identifier(col(LoggedModelRow.source_run_id), nullable=True),
        "creation_timestamp": number(col(LoggedModelRow.created_ms)),
        "last_updated_timestamp": number(col(LoggedModelRow.updated_ms)),
    },
    also={"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
    related={
        Kind.METRIC: Points(ModelMetricRow, _OF_MODEL),
        Kind.PARAMETER: Pairs(LoggedModelParamRow, _OF_MODEL, TEXT | LISTED),
        Kind.TAG: Pairs(LoggedModelTagRow, _OF_MODEL, TEXT | LISTED),
    },
    ties=(by("creation_timestamp", ascending=False), by("model_id")),
)


class SqlLoggedModelSearch:
    """Searches logged models, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def logged_models(
        self,
        experiment_ids: Sequence[str],
        question: Question,
        *,
        datasets: tuple[OnDataset, ...] = (),
        orders: tuple[ModelOrder, ...] = (),
    ) -> Page[LoggedModel]:
        """Find models of some experiments."""
        points = Points(ModelMetricRow, _OF_MODEL, datasets=datasets)
        searchable = replace(LOGGED_MODELS, related={**LOGGED_MODELS.related, Kind.METRIC: points})
        conditions = searchable.conditions(question.filter)
        rows = (
            select(LoggedModelRow, col(ExperimentRow.pipeline))
            .join(ExperimentRow, col(ExperimentRow.id) == LoggedModelRow.experiment_id)
            .where(
                col(LoggedModelRow.experiment_id).in_([number_of(experiment_id) for experiment_id in experiment_ids]),
                col(LoggedModelRow.stage) == Stage.ACTIVE,
                *searchable.where(conditions),
            )
        )
        if datasets and not any(condition.key.kind is Kind.METRIC for condition in conditions):
            rows = rows.where(_measured(datasets))
        asked = ("logged models", *experiment_ids, *map(repr, datasets), *map(repr, orders))
        found = await sorted_page(self._session, rows, _sorts(orders), question, of=asked)
        return Page([row[0].to_domain(row[1]) for row in found.things], found.token)


def _sorts(orders: Sequence[ModelOrder]) -> list[Sort]:
    if len(orders) > MAX_SORTS:
        raise SearchError(f"Invalid order_by: more than {MAX_SORTS} clauses.")
    sorts = [_by_metric(order) if order.field.startswith(METRICS) else _by_attribute(order) for order in orders]
    return [*sorts, *map(LOGGED_MODELS.sort, LOGGED_MODELS.ties)]


def _by_attribute(order: ModelOrder) -> Sort:
    if "." in order.field:
        raise SearchError(f"Invalid order by field name: {order.field}. Only metrics are supported.")
    return LOGGED_MODELS.sort(by(order.field.strip(), ascending=order.ascending))


def _by_metric(order: ModelOrder) -> Sort:
    """Sort by the latest point of a metric."""
    point: Any = aliased(ModelMetricRow)
    on = (OnDataset(order.dataset, order.digest),) if order.dataset else ()
    newest_first = (point.timestamp_ms.desc(), point.step.desc(), point.run_id)
    place = func.row_number().over(partition_by=point.model_id, order_by=newest_first).label("place")
    named = point.key == order.field.removeprefix(METRICS).strip("`")
    points = select(point.model_id, point.value, point.is_nan, place).where(named, _on(point, on)).subquery()
    latest = and_(points.c.model_id == LoggedModelRow.id, points.c.place == 1)
    without = ~exists().where(points.c.model_id == LoggedModelRow.id)
    return number_sort(points.c, (points, latest), without, ascending=order.ascending)


def _measured(datasets: Sequence[OnDataset]) -> ColumnElement[bool]:
    point: Any = aliased(ModelMetricRow)
    return exists().where(point.model_id == LoggedModelRow.id, _on(point, datasets))


def _on(point: Any, datasets: Sequence[OnDataset]) -> ColumnElement[bool]:
    if not datasets:
        return true()
    return or_(
        *(
            and_(point.dataset_name == name, true() if digest is None else point.dataset_digest == digest)
            for name, digest in datasets
        )
    )
