"""Registered models, versions and logged models are found by what is known of them, in SQLite and PostgreSQL."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.logged_models.rows import LoggedModelParamRow, LoggedModelRow, LoggedModelTagRow
from services.registry.models.rows import ModelTagRow, VersionTagRow
from services.registry.rows import ModelRow, Row, VersionRow
from services.registry.search.language import SearchError
from services.registry.search.logged_models import SqlLoggedModelSearch
from services.registry.search.models import SqlModelSearch
from services.registry.search.ports import ModelOrder, OnDataset, Page, Question
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import ExperimentRow, ModelMetricRow
from tests.contracts.examples import NOON
from tests.fixtures.databases import Transactions

T = TypeVar("T")
PROMPT = "mlflow.prompt.is_prompt"
NO_PROMPTS = f"tag.`{PROMPT}` != 'true'"


@pytest.fixture
async def transactions(sessions: Callable[[type[SQLModel]], Awaitable[Transactions]]) -> Transactions:
    """Opens transactions on a database with a few models."""
    opened = await sessions(Row)
    async with opened() as session:
        session.add_all([_model("delays", 1), _model("Delays of ships", 3), _model("greeting", 2), _model("gone", 4)])
        session.add(_experiment(7))
        session.add(_experiment(8))
        await session.flush()
        (await session.get_one(ModelRow, "gone")).deleted_at = NOON
        session.add(ModelTagRow(pipeline="greeting", key=PROMPT, value="true"))
        session.add(ModelTagRow(pipeline="delays", key="team", value="air"))
        session.add_all([_version("delays", 1, run_id="f" * 32), _version("delays", 2), _version("gone", 1)])
        session.add_all([_version("greeting", 1), _version("delays", 10), _version("delays", 3, deleted=True)])
        session.add(VersionTagRow(pipeline="greeting", number=1, key=PROMPT, value="true"))
        session.add(VersionTagRow(pipeline="delays", number=10, key="checked", value="yes"))
    return opened


async def test_models_are_found_by_name_and_tag(transactions: Transactions) -> None:
    async with transactions() as session:
        found = _models(session)

        assert await found("") == ["Delays of ships", "delays"]
        assert await found(NO_PROMPTS) == ["Delays of ships", "delays"]
        assert await found(f"name ILIKE 'delays%' AND {NO_PROMPTS}", "name DESC") == ["delays", "Delays of ships"]
        assert await found("name LIKE 'delays%'") == ["delays"]
        assert await found("name IN ('delays', 'gone')") == ["delays"]
        assert await found("tags.team = 'air'") == ["delays"]
        assert await found("tags.team != 'sea'") == ["delays"]
        assert await found("", "timestamp DESC") == ["Delays of ships", "delays"]
        assert await found("", "creation_timestamp ASC") == ["delays", "Delays of ships"]


@pytest.mark.parametrize("filter_", [f"tags.`{PROMPT}` = 'true'", f"tags.`{PROMPT}` != 'false'"])
async def test_prompts_are_found_only_when_asked_for(filter_: str, transactions: Transactions) -> None:
    async with transactions() as session:
        assert await _models(session)(filter_) == ["greeting"]
        assert (await SqlModelSearch(session).versions(Question(filter_, (), 9))).things == [("greeting", 1)]
        assert await _models(session)(f"tags.`{PROMPT}` = 'false'") == ["Delays of ships", "delays"]


async def test_versions_are_found_newest_first_and_by_number_not_by_digits(transactions: Transactions) -> None:
    async with transactions() as session:

        async def found(filter_: str, *order: str) -> list[int]:
            page = await SqlModelSearch(session).versions(Question(filter_, order, 9))
            assert {name for name, _ in page.things} <= {"delays"}
            return [number for _, number in page.things]

        assert await found("") == [10, 2, 1]
        assert await found("name = 'delays'", "version_number ASC") == [1, 2, 10]
        assert await found("version_number > 1.5 AND version_number < 99999999999") == [10, 2]
        assert await found(f"run_id = '{'f' * 32}'") == [1]
        assert await found(f"run_id IN ('{'f' * 32}', 'x')") == [1]
        assert await found("source_path LIKE 'runs:/%'", "run_id ASC") == [1, 10, 2]
        assert await found("tags.checked = 'yes'") == [10]
        assert await found("tags.checked != 'yes'") == []
        assert await found("name = 'gone'") == []


async def test_pages_of_models_and_versions_go_on_where_they_ended(transactions: Transactions) -> None:
    async with transactions() as session:
        search = SqlModelSearch(session)

        models = [await _every(search.models, Question("", order, 1)) for order in ((), ("timestamp DESC",))]
        versions = [
            await _every(search.versions, Question("", order, limit))
            for order in ((), ("run_id DESC",), ("creation_timestamp ASC", "name DESC"))
            for limit in (1, 2)
        ]

    assert models == [["Delays of ships", "delays"]] * 2
    assert [sorted(found) for found in versions] == [[("delays", 1), ("delays", 2), ("delays", 10)]] * 6


async def test_logged_models_are_found_by_what_was_measured_on_them(transactions: Transactions) -> None:
    async with transactions() as session:
        await _log(session)
        found = _logged(session)

        assert await found("") == ["c", "b", "a"]
        assert await found("name = 'tree' AND status = 'READY'") == ["b", "a"]
        assert await found("attributes.model_type IN ('lightgbm', 'x') AND params.depth = '3'") == ["a"]
        assert await found("tags.team LIKE 'A%'") == []
        assert await found("source_run_id = 'r1' AND creation_time >= 2") == ["b"]
        assert await found("metrics.auc > 0.8") == ["b", "a"]
        assert await found("metrics.auc < 0.8") == ["b", "a"]
        assert await found("metrics.auc > 0.8", datasets=(OnDataset("train"),)) == ["a"]
        assert await found("metrics.auc > 0.8", datasets=(OnDataset("train"), OnDataset("test", "2"))) == ["b", "a"]
        assert await found("", datasets=(OnDataset("test", "1"),)) == ["a"]
        assert await found("metrics.loss != 1") == ["c"]
        assert await found("metrics.loss >= 0") == []


async def test_logged_models_are_sorted_by_the_latest_point_on_a_dataset(transactions: Transactions) -> None:
    async with transactions() as session:
        await _log(session)
        found = _logged(session)

        assert await found("", ModelOrder("metrics.auc")) == ["b", "a", "c"]
        assert await found("", ModelOrder("metrics.auc", ascending=False)) == ["a", "b", "c"]
        assert await found("", ModelOrder("metrics.auc", True, "test")) == ["a", "b", "c"]
        assert await found("", ModelOrder("metrics.auc", True, "test", "2")) == ["b", "c", "a"]
        assert await found("", ModelOrder("metrics.loss")) == ["c", "b", "a"]
        assert await found("", ModelOrder("source_run_id"), ModelOrder("creation_time")) == ["a", "b", "c"]
        with pytest.raises(SearchError, match="Only metrics are supported"):
            await found("", ModelOrder("params.depth"))
        with pytest.raises(SearchError, match="Invalid attribute key 'colour'"):
            await found("", ModelOrder("colour"))


def _models(session: AsyncSession) -> Callable[..., Awaitable[list[str]]]:
    async def found(filter_: str, *order: str) -> list[str]:
        return (await SqlModelSearch(session).models(Question(filter_, order, 9))).things

    return found


def _logged(session: AsyncSession) -> Callable[..., Awaitable[list[str]]]:
    """Search page by page, one model on each."""

    async def found(filter_: str, *orders: ModelOrder, datasets: Sequence[OnDataset] = ()) -> list[str]:
        search, names = SqlLoggedModelSearch(session), list[str]()
        token: str | None = ""
        while token is not None:
            question = Question(filter_, (), 1, token)
            page = await search.logged_models(["7"], question, datasets=tuple(datasets), orders=orders)
            names += [model.id for model in page.things]
            token = page.token
        return names

    return found


async def _every(ask: Callable[[Question], Awaitable[Page[T]]], question: Question) -> list[T]:
    found: list[T] = []
    while True:
        page = await ask(question)
        found += page.things
        if page.token is None:
            return found
        question = replace(question, token=page.token)


def _model(name: str, hours: int) -> ModelRow:
    at = NOON + timedelta(hours=hours)
    return ModelRow(pipeline=name, name=name, registered_at=at, updated_at=at)


def _version(pipeline: str, number: int, *, run_id: str | None = None, deleted: bool = False) -> VersionRow:
    return VersionRow(
        pipeline=pipeline,
        number=number,
        source=f"runs:/{run_id}/model",
        location="",
        source_run_id=run_id,
        registered_at=NOON,
        updated_at=NOON,
        deleted_at=NOON if deleted else None,
        state="logged",
    )


def _experiment(number: int) -> ExperimentRow:
    return ExperimentRow(
        id=number, name=str(number), pipeline=f"e{number}", artifact_location="", created_ms=0, updated_ms=0
    )


async def _log(session: AsyncSession) -> None:
    session.add_all([_logged_model("a", 1, "tree", "r1", "lightgbm"), _logged_model("b", 2, "tree", "r1", None)])
    session.add_all([_logged_model("c", 3, "net", None, "torch"), _logged_model("d", 4, "tree", "r1", None, 8)])
    session.add(_logged_model("e", 5, "tree", "r1", None, stage=Stage.DELETED))
    await session.flush()
    session.add(LoggedModelParamRow(model_id="a", key="depth", value="3"))
    session.add(LoggedModelTagRow(model_id="a", key="team", value="air"))
    session.add_all(
        [
            _point("a", "auc", 0.7, 1, "test", "1"),
            _point("a", "auc", 0.9, 2, "train", "1"),
            _point("b", "auc", 0.9, 1, "test", "2"),
            _point("b", "auc", 0.75, 2, "test", "2"),
            _point("c", "loss", float("nan"), 1, None, None),
        ]
    )
    await session.flush()


def _logged_model(
    id_: str,
    created_ms: int,
    name: str,
    run_id: str | None,
    model_type: str | None,
    experiment_id: int = 7,
    *,
    stage: Stage = Stage.ACTIVE,
) -> LoggedModelRow:
    return LoggedModelRow(
        id=id_,
        experiment_id=experiment_id,
        name=name,
        artifact_uri="",
        created_ms=created_ms,
        updated_ms=0,
        model_type=model_type,
        source_run_id=run_id,
        status="READY",
        stage=stage,
    )


def _point(
    model_id: str, key: str, value: float, at_ms: int, dataset: str | None, digest: str | None
) -> ModelMetricRow:
    is_nan = value != value
    return ModelMetricRow(
        model_id=model_id,
        run_id="r1",
        key=key,
        step=0,
        timestamp_ms=at_ms,
        value=0.0 if is_nan else value,
        is_nan=is_nan,
        dataset_name=dataset,
        dataset_digest=digest,
    )
