"""Logged models are kept as they were given: in memory, in SQLite, in PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from services.registry.logged_models.domain import LoggedModel, MeasuredMetric, ModelRecord, ModelStatus
from services.registry.logged_models.ports import LoggedModels
from services.registry.logged_models.store import SqlLoggedModels
from services.registry.rows import Row
from services.registry.tracking.domain import Metric, Stage, TagChange
from services.registry.tracking.rows import ExperimentRow, ModelMetricRow
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.logged_models import InMemoryLoggedModels
from tests.fixtures.databases import Transactions

RUN = "a" * 32
FIRST, SECOND = f"m-{'1' * 32}", f"m-{'2' * 32}"
POINT = Metric("auc", 0.7, timestamp_ms=5, step=1, model_id=FIRST, dataset_name="flights", dataset_digest="d1")
LOST = Metric("loss", nan, timestamp_ms=6, step=2, model_id=FIRST)

Open = Callable[[], AbstractAsyncContextManager[LoggedModels]]


def model(model_id: str = FIRST) -> LoggedModel:
    """Make a model of the experiment that every test has."""
    return LoggedModel(
        id=model_id,
        experiment_id="1",
        pipeline=PIPELINE,
        name="late-flights",
        artifact_uri=f"mlflow-artifacts:/1/models/{model_id}/artifacts",
        created_ms=1,
        updated_ms=1,
        model_type="lightgbm",
        source_run_id=RUN,
    )


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    """Which adapter is asked."""
    return str(request.param)


@pytest.fixture
def database_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The database of the kind; memory leaves its own unused."""
    if kind == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
async def open_(kind: str, sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Open:
    """Opens a transaction on the models of an experiment; two points were measured on the first."""
    if kind == "memory":
        models = InMemoryLoggedModels()
        models.measured[FIRST] = [MeasuredMetric(POINT, RUN), MeasuredMetric(LOST, RUN)]

        @asynccontextmanager
        async def in_memory() -> AsyncIterator[LoggedModels]:
            yield models

        return in_memory
    opened = await sessions(Row)

    @asynccontextmanager
    async def in_sql() -> AsyncIterator[LoggedModels]:
        async with opened() as session:
            yield SqlLoggedModels(session)

    async with opened() as session:
        session.add(
            ExperimentRow(id=1, name=PIPELINE, pipeline=PIPELINE, artifact_location="x", created_ms=0, updated_ms=0)
        )
        session.add_all(map(_row, (POINT, LOST)))
    return in_sql


def _row(point: Metric) -> ModelMetricRow:
    given = point._asdict() | {"run_id": RUN, "is_nan": isnan(point.value)}
    return ModelMetricRow(**given | {"value": 0.0 if isnan(point.value) else point.value})


async def test_model_comes_back_whole(open_: Open) -> None:
    async with open_() as models:
        await models.add(model(), params={"b": "2", "a": "1"}, tags={"team": "delays"})
        await models.add(model(SECOND), params={}, tags={})

    async with open_() as models:
        assert await models.get(FIRST) == await models.hold(FIRST) == model()
        assert await models.get("m-none") is await models.hold("m-none") is None
        records = await models.records([SECOND, FIRST])
    assert list(records) == [SECOND, FIRST]
    assert records[SECOND] == ModelRecord()
    assert (records[FIRST].params, records[FIRST].tags) == ({"a": "1", "b": "2"}, {"team": "delays"})
    point, lost = records[FIRST].metrics
    assert point == MeasuredMetric(POINT, RUN)
    assert isnan(lost.metric.value)


async def test_status_and_stage_change(open_: Open) -> None:
    async with open_() as models:
        await models.add(model(), params={}, tags={})
    changed = replace(model(), status=ModelStatus.READY, stage=Stage.DELETED, updated_ms=9)

    async with open_() as models:
        await models.put(changed)

    async with open_() as models:
        assert await models.get(FIRST) == changed


async def test_params_are_only_added(open_: Open) -> None:
    async with open_() as models:
        await models.add(model(), params={"a": "1"}, tags={})

    async with open_() as models:
        assert await models.add_params(FIRST, {"a": "other", "b": "2"}) == {"a": "1"}

    async with open_() as models:
        assert (await models.records([FIRST]))[FIRST].params == {"a": "1", "b": "2"}


async def test_tags_are_set_and_removed(open_: Open) -> None:
    async with open_() as models:
        await models.add(model(), params={}, tags={"a": "1", "b": "2", "c": "3"})

    async with open_() as models:
        changes = await models.tag(FIRST, {"a": "1", "b": "other", "c": None, "d": "4", "e": None})

    assert changes == (TagChange("b", "other", "2"), TagChange("c", None, "3"), TagChange("d", "4", None))
    async with open_() as models:
        assert (await models.records([FIRST]))[FIRST].tags == {"a": "1", "b": "other", "d": "4"}
