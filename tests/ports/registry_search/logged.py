"""Runs and experiments, put into a database."""

import math
from collections.abc import Awaitable, Callable, Sequence

import pytest
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.rows import Row
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import (
    DatasetRow,
    ExperimentRow,
    LatestMetricRow,
    ParamRow,
    RunDatasetRow,
    RunRow,
    RunTagRow,
)
from tests.fixtures.databases import Transactions
from tests.ports.registry_search.tried import EXPERIMENT, Tried

ACTIVE = (Stage.ACTIVE,)


@pytest.fixture
async def transactions(sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Transactions:
    """Opens transactions on a database with one experiment and no runs."""
    opened = await sessions(Row)
    async with opened() as session:
        session.add(experiment_row(EXPERIMENT, "flights"))
    return opened


def experiment_row(number: int, name: str, *, created_ms: int = 0, stage: Stage = Stage.ACTIVE) -> ExperimentRow:
    return ExperimentRow(
        id=number, name=name, pipeline=name, artifact_location="", stage=stage, created_ms=created_ms, updated_ms=0
    )


async def log(session: AsyncSession, runs: Sequence[Tried]) -> None:
    rows: list[SQLModel] = []
    for run in runs:
        rows.append(
            RunRow(
                id=run.id,
                experiment_id=EXPERIMENT,
                name=run.name,
                user_id="ada",
                status="FINISHED",
                started_ms=run.started_ms,
                ended_ms=run.ended_ms,
                artifact_uri="",
            )
        )
    session.add_all(rows)
    await session.flush()
    for run in runs:
        session.add_all(ParamRow(run_id=run.id, key=key, value=value) for key, value in run.params.items())
        session.add_all(RunTagRow(run_id=run.id, key=key, value=value) for key, value in run.tags.items())
        session.add_all(
            LatestMetricRow(
                run_id=run.id,
                experiment_id=EXPERIMENT,
                key=key,
                step=0,
                timestamp_ms=0,
                value=0.0 if math.isnan(value) else value,
                is_nan=math.isnan(value),
            )
            for key, value in run.metrics.items()
        )
        for place, (name, context) in enumerate(run.datasets):
            dataset = {"experiment_id": EXPERIMENT, "name": name, "digest": "1"}
            await session.merge(DatasetRow(**dataset, source_type="", source=""))
            await session.flush()
            session.add(RunDatasetRow(**dataset, run_id=run.id, place=place, context=context, tags={}))
    await session.flush()
