"""Searches of logged models, in SQL. A metric of a model has many points, which may be of several datasets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, FromClause, and_, exists, func, or_, select, true
from sqlmodel import col
from sqlmodel import select as model_select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.logged_models.domain import LoggedModel
from services.registry.logged_models.rows import LoggedModelParamRow, LoggedModelRow, LoggedModelTagRow
from services.registry.search.comparing import Column, table
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
_MODELS = table(LoggedModelRow)
_POINTS = table(ModelMetricRow)
_OF_MODEL: dict[str, Column] = {"model_id": _MODELS.c.id}


@dataclass(frozen=True)
class Points(Numbers):
    """The points of a model's metrics, of some datasets if any are named."""

    datasets: tuple[OnDataset, ...] = ()

    def _named(self, row: FromClause, name: str) -> ColumnElement[bool]:
        return and_(super()._named(row, name), _on(row, self.datasets))


LOGGED_MODELS = Searchable(
    attributes={
        "name": text(_MODELS.c.name, listed=True),
        "model_id": identifier(_MODELS.c.id),
        "model_type": text(_MODELS.c.model_type, listed=True, nullable=True),
        "status": text(_MODELS.c.status, listed=True),
        "source_run_id": identifier(_MODELS.c.source_run_id, nullable=True),
        "creation_timestamp": number(_MODELS.c.created_ms),
        "last_updated_timestamp": number(_MODELS.c.updated_ms),
    },
    also={"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
    related={
        Kind.METRIC: Points(_POINTS, _OF_MODEL),
        Kind.PARAMETER: Pairs(table(LoggedModelParamRow), _OF_MODEL, TEXT | LISTED),
        Kind.TAG: Pairs(table(LoggedModelTagRow), _OF_MODEL, TEXT | LISTED),
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
        points = Points(_POINTS, _OF_MODEL, datasets=datasets)
        searchable = replace(LOGGED_MODELS, related={**LOGGED_MODELS.related, Kind.METRIC: points})
        conditions = searchable.conditions(question.filter)
        rows = select(_MODELS.c.id).where(
            _MODELS.c.experiment_id.in_([number_of(experiment_id) for experiment_id in experiment_ids]),
            _MODELS.c.stage == Stage.ACTIVE,
            *searchable.where(conditions),
        )
        if datasets and not any(condition.key.kind is Kind.METRIC for condition in conditions):
            rows = rows.where(_measured(datasets))
        asked = ("logged models", *experiment_ids, *map(repr, datasets), *map(repr, orders))
        found = await sorted_page(self._session, rows, _sorts(orders), question, of=asked)
        return Page(await self._models([row.id for row in found.things]), found.token)

    async def _models(self, ids: Sequence[str]) -> list[LoggedModel]:
        of_experiment = col(ExperimentRow.id) == LoggedModelRow.experiment_id
        rows = model_select(LoggedModelRow, ExperimentRow.pipeline).join(ExperimentRow, of_experiment)
        known = await self._session.exec(rows.where(col(LoggedModelRow.id).in_(ids)))
        models = {row.id: row.to_domain(pipeline) for row, pipeline in known}
        return [models[id_] for id_ in ids]


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
    point = _POINTS.alias()
    on = (OnDataset(order.dataset, order.digest),) if order.dataset else ()
    newest_first = (point.c.timestamp_ms.desc(), point.c.step.desc(), point.c.run_id)
    place = func.row_number().over(partition_by=point.c.model_id, order_by=newest_first).label("place")
    named = point.c.key == order.field.removeprefix(METRICS).strip("`")
    points = select(point.c.model_id, point.c.value, point.c.is_nan, place).where(named, _on(point, on)).subquery()
    latest = and_(points.c.model_id == _MODELS.c.id, points.c.place == 1)
    without = ~exists().where(points.c.model_id == _MODELS.c.id)
    return number_sort(points, (points, latest), without, ascending=order.ascending)


def _measured(datasets: Sequence[OnDataset]) -> ColumnElement[bool]:
    point = _POINTS.alias()
    return exists().where(point.c.model_id == _MODELS.c.id, _on(point, datasets))


def _on(point: FromClause, datasets: Sequence[OnDataset]) -> ColumnElement[bool]:
    if not datasets:
        return true()
    return or_(
        *(
            and_(point.c.dataset_name == name, true() if digest is None else point.c.dataset_digest == digest)
            for name, digest in datasets
        )
    )
