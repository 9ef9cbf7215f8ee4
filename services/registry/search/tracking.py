"""Searches of experiments and runs, in SQL."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.search.comparing import Column, table
from services.registry.search.language import LISTED, Kind, Operator, by
from services.registry.search.pages import page
from services.registry.search.ports import Page, Question
from services.registry.search.related import Linked, Numbers, Pairs
from services.registry.search.searchable import Attribute, Searchable, identifier, number, text
from services.registry.search.sorting import Group
from services.registry.tracking import store
from services.registry.tracking.domain import Experiment, Run, Stage
from services.registry.tracking.rows import (
    ExperimentRow,
    ExperimentTagRow,
    LatestMetricRow,
    ParamRow,
    RunDatasetRow,
    RunRow,
    RunTagRow,
)

_AT_ONCE = 10_000
"""Ids in a statement; SQLite takes 32,766 values."""

_RUNS = table(RunRow)
_EXPERIMENTS = table(ExperimentRow)
_OF_RUN: dict[str, Column] = {"run_id": _RUNS.c.id}
RUNS = Searchable(
    attributes={
        "run_id": identifier(_RUNS.c.id),
        "run_name": text(_RUNS.c.name),
        "user_id": text(_RUNS.c.user_id),
        "status": text(_RUNS.c.status),
        "start_time": number(_RUNS.c.started_ms),
        "end_time": number(_RUNS.c.ended_ms, nullable=True),
        "artifact_uri": text(_RUNS.c.artifact_uri),
    },
    also={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    related={
        Kind.METRIC: Numbers(table(LatestMetricRow), _OF_RUN, group="experiment_id"),
        Kind.PARAMETER: Pairs(table(ParamRow), _OF_RUN),
        Kind.TAG: Pairs(table(RunTagRow), _OF_RUN),
        Kind.DATASET: Linked(table(RunDatasetRow), _OF_RUN, frozenset({"name", "digest", "context"})),
    },
    ties=(by("start_time", ascending=False), by("run_id")),
)
EXPERIMENTS = Searchable(
    attributes={
        "name": text(_EXPERIMENTS.c.name),
        "experiment_id": Attribute(
            _EXPERIMENTS.c.id, LISTED | {Operator.EQUAL, Operator.UNEQUAL}, int, read=store.number_of
        ),
        "creation_time": number(_EXPERIMENTS.c.created_ms),
        "last_update_time": number(_EXPERIMENTS.c.updated_ms),
    },
    related={Kind.TAG: Pairs(table(ExperimentTagRow), {"experiment_id": _EXPERIMENTS.c.id})},
    order=(by("creation_time", ascending=False), by("experiment_id")),
    ties=(by("experiment_id", ascending=False),),
)


class SqlTrackingSearch:
    """Searches what was logged, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def experiments(self, stages: Sequence[Stage], question: Question) -> Page[Experiment]:
        """Find experiments."""
        rows = sql_select(_EXPERIMENTS.c.id).where(_EXPERIMENTS.c.stage.in_(stages))
        found = await page(self._session, rows, EXPERIMENTS, question, of=("experiments", *stages))
        experiments: dict[int | None, ExperimentRow] = {}
        tags: dict[int | None, dict[str, str]] = defaultdict(dict)
        ids: list[int] = [row.id for row in found.things]
        for first in range(0, len(ids), _AT_ONCE):
            some = ids[first : first + _AT_ONCE]
            for row in await self._session.exec(select(ExperimentRow).where(col(ExperimentRow.id).in_(some))):
                experiments[row.id] = row
            noted = select(ExperimentTagRow).where(col(ExperimentTagRow.experiment_id).in_(some))
            for tag in await self._session.exec(noted.order_by(col(ExperimentTagRow.key))):
                tags[tag.experiment_id][tag.key] = tag.value
        return Page([experiments[id_].to_domain(tags[id_]) for id_ in ids], found.token)

    async def runs(self, experiment_ids: Sequence[str], stages: Sequence[Stage], question: Question) -> Page[Run]:
        """Find runs of some experiments."""
        group = Group(_RUNS.c.experiment_id, [store.number_of(experiment_id) for experiment_id in experiment_ids])
        rows = store.RUNS.where(_RUNS.c.stage.in_(stages))
        asked = ("runs", *experiment_ids, *stages)
        found = await page(self._session, rows, RUNS, question, of=asked, group=group)
        return Page([store.run_of(row) for row in found.things], found.token)
