"""Searches of experiments and runs, in SQL."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.search.comparing import Column
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


_OF_RUN: dict[str, Column] = {"run_id": col(RunRow.id)}
RUNS = Searchable(
    attributes={
        "run_id": identifier(col(RunRow.id)),
        "run_name": text(col(RunRow.name)),
        "user_id": text(col(RunRow.user_id)),
        "status": text(col(RunRow.status)),
        "start_time": number(col(RunRow.started_ms)),
        "end_time": number(col(RunRow.ended_ms), nullable=True),
        "artifact_uri": text(col(RunRow.artifact_uri)),
    },
    also={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    related={
        Kind.METRIC: Numbers(LatestMetricRow, _OF_RUN, group="experiment_id"),
        Kind.PARAMETER: Pairs(ParamRow, _OF_RUN),
        Kind.TAG: Pairs(RunTagRow, _OF_RUN),
        Kind.DATASET: Linked(RunDatasetRow, _OF_RUN, frozenset({"name", "digest", "context"})),
    },
    ties=(by("start_time", ascending=False), by("run_id")),
)
EXPERIMENTS = Searchable(
    attributes={
        "name": text(col(ExperimentRow.name)),
        "experiment_id": Attribute(
            col(ExperimentRow.id), LISTED | {Operator.EQUAL, Operator.UNEQUAL}, int, read=store.number_of
        ),
        "creation_time": number(col(ExperimentRow.created_ms)),
        "last_update_time": number(col(ExperimentRow.updated_ms)),
    },
    related={Kind.TAG: Pairs(ExperimentTagRow, {"experiment_id": col(ExperimentRow.id)})},
    order=(by("creation_time", ascending=False), by("experiment_id")),
    ties=(by("experiment_id", ascending=False),),
)


class SqlTrackingSearch:
    """Searches what was logged, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def experiments(self, stages: Sequence[Stage], question: Question) -> Page[Experiment]:
        """Find experiments."""
        rows = sql_select(ExperimentRow).where(col(ExperimentRow.stage).in_(stages))
        found = await page(self._session, rows, EXPERIMENTS, question, of=("experiments", *stages))
        experiments: list[ExperimentRow] = [row[0] for row in found.things]
        tags = await self._tags([row.id for row in experiments])
        return Page([row.to_domain(tags[row.id]) for row in experiments], found.token)

    async def runs(self, experiment_ids: Sequence[str], stages: Sequence[Stage], question: Question) -> Page[Run]:
        """Find runs of some experiments."""
        group = Group(col(RunRow.experiment_id), [store.number_of(experiment_id) for experiment_id in experiment_ids])
        rows = store.RUNS.where(col(RunRow.stage).in_(stages))
        asked = ("runs", *experiment_ids, *stages)
        found = await page(self._session, rows, RUNS, question, of=asked, group=group)
        return Page([store.run_of(row) for row in found.things], found.token)

    async def _tags(self, ids: Sequence[int | None]) -> dict[int | None, dict[str, str]]:
        tags: dict[int | None, dict[str, str]] = defaultdict(dict)
        for first in range(0, len(ids), _AT_ONCE):
            some = col(ExperimentTagRow.experiment_id).in_(ids[first : first + _AT_ONCE])
            for row in await self._session.exec(
                select(ExperimentTagRow).where(some).order_by(col(ExperimentTagRow.key))
            ):
                tags[row.experiment_id][row.key] = row.value
        return tags
