"""Experiments, runs and what they log are kept: in memory, in SQLite, in PostgreSQL."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import pytest

from services.registry.rows import Row
from services.registry.tracking.domain import (
    Dataset,
    DatasetInput,
    Metric,
    ModelOutput,
    Run,
    RunRecord,
    RunStatus,
    Stage,
    TagChange,
)
from services.registry.tracking.log import SqlLog, SqlMetricHistory
from services.registry.tracking.ports import Experiments, Log, MetricHistory, Runs
from services.registry.tracking.store import SqlExperiments, SqlRuns
from tests.fakes.registry.tracking import InMemoryExperiments, InMemoryMetricHistory, InMemoryRuns
from tests.fixtures.adapters import Adapters

ID = "f" * 32
ONES = DatasetInput(Dataset("ones", "abc", "local", "ones.npy", "[2]", None), {"mlflow.data.context": "training"})


@dataclass
class Ports:
    """The ports of one transaction."""

    experiments: Experiments
    runs: Runs
    log: Log
    history: MetricHistory


Open = Callable[[], AbstractAsyncContextManager[Ports]]


@pytest.fixture
async def open_(adapters: Adapters) -> Open:
    """Opens a transaction on the ports."""
    runs = InMemoryRuns()
    return await adapters(
        Row,
        Ports(InMemoryExperiments(), runs, runs, InMemoryMetricHistory(runs)),
        lambda session: Ports(SqlExperiments(session), SqlRuns(session), SqlLog(session), SqlMetricHistory(session)),
    )


@pytest.fixture
async def run(open_: Open) -> Run:
    """A run of an experiment, kept."""
    async with open_() as ports:
        experiment = await ports.experiments.add("flights", artifact_location=None, tags={}, at_ms=1)
        assert experiment
        run = Run(ID, experiment.id, "flights", "crane", "ada", RunStatus.RUNNING, 5, "mlflow-artifacts:/1/x/artifacts")
        assert await ports.runs.add(run, {"mlflow.runName": "crane"})
    return run


async def test_experiments_are_found_by_id_and_name(open_: Open) -> None:
    async with open_() as ports:
        made = await ports.experiments.add("Late flights", artifact_location=None, tags={"b": "2", "a": "1"}, at_ms=7)
        elsewhere = await ports.experiments.add("other", artifact_location="s3://bucket/other", tags={}, at_ms=8)
    assert made
    assert elsewhere

    async with open_() as ports:
        assert await ports.experiments.get(made.id) == made
        assert await ports.experiments.named("other") == elsewhere
        assert await ports.experiments.get("99") is None
        assert await ports.experiments.get("nonsense") is None
    expected = ("mlflow-artifacts:/1", Stage.ACTIVE, 7, {"a": "1", "b": "2"})
    assert (made.artifact_location, made.stage, made.updated_ms, made.tags) == expected
    assert elsewhere.artifact_location == "s3://bucket/other"


async def test_a_name_is_of_one_experiment(open_: Open) -> None:
    async with open_() as ports:
        made = await ports.experiments.add("one", artifact_location=None, tags={}, at_ms=1)
        other = await ports.experiments.add("other", artifact_location=None, tags={}, at_ms=1)
        assert made
        assert other
        assert await ports.experiments.add("one", artifact_location=None, tags={}, at_ms=2) is None
        assert not await ports.experiments.put(other.renamed("one", 3))
        assert await ports.experiments.put(made.renamed("first", 3).staged(Stage.DELETED, 4))

    async with open_() as ports:
        assert await ports.experiments.get(made.id) == replace(made, name="first", stage=Stage.DELETED, updated_ms=4)
        assert await ports.experiments.get(other.id) == other


async def test_a_tag_tells_what_it_was(open_: Open, run: Run) -> None:
    async with open_() as ports:
        told = [await ports.experiments.set_tag(run.experiment_id, "team", value) for value in ("a", "b", None, None)]

    assert told == [None, "a", "b", None]


async def test_a_run_is_kept_as_it_was_and_as_it_becomes(open_: Open, run: Run) -> None:
    ended = replace(run, name="heron", status=RunStatus.FINISHED, ended_ms=9)
    async with open_() as ports:
        assert await ports.runs.hold(ID) == run
        assert not await ports.runs.add(run, {})
        await ports.runs.put(ended)
        assert await ports.runs.get("e" * 32) is None

    async with open_() as ports:
        assert await ports.runs.get(ID) == ended
        await ports.runs.stage_all(run.experiment_id, Stage.DELETED, 11)
        assert await ports.runs.get(ID) == replace(ended, stage=Stage.DELETED, deleted_ms=11)
        await ports.runs.stage_all(run.experiment_id, Stage.ACTIVE, 12)
        assert await ports.runs.get(ID) == ended


async def test_a_record_holds_the_latest_of_everything(open_: Open, run: Run) -> None:
    async with open_() as ports:
        await ports.log.add_metrics(
            run, [Metric("loss", 0.5, 20, 2), Metric("auc", 0.7, 20), Metric("loss", 0.1, 30, 1)]
        )
        await ports.log.add_metrics(run, [Metric("loss", 0.4, 20, 2), Metric("auc", 0.8, 20)])
        assert await ports.log.add_params(ID, {"depth": "3", "rate": "0.1"}) == {}
        assert await ports.log.add_params(ID, {"depth": "4", "seed": "1"}) == {"depth": "3"}
        assert await ports.log.add_datasets(run, [ONES, replace(ONES, tags={})]) == (ONES,)
        assert await ports.log.add_datasets(run, [ONES]) == ()
        await ports.log.add_models(ID, used=["m-1", "m-2"], made=[ModelOutput("m-3", 7)])
        await ports.log.add_models(ID, used=["m-2"], made=[ModelOutput("m-3", 8)])

    async with open_() as ports:
        records = await ports.runs.records([ID, "e" * 32])
    assert records["e" * 32] == RunRecord()
    assert records[ID] == RunRecord(
        metrics=(Metric("auc", 0.8, 20), Metric("loss", 0.5, 20, 2)),
        params={"depth": "3", "rate": "0.1", "seed": "1"},
        tags={"mlflow.runName": "crane"},
        datasets=(ONES,),
        model_inputs=("m-1", "m-2"),
        model_outputs=(ModelOutput("m-3", 7), ModelOutput("m-3", 8)),
    )


async def test_what_is_not_a_number_is_kept(open_: Open, run: Run) -> None:
    async with open_() as ports:
        await ports.log.add_metrics(run, [Metric("loss", math.nan, 20, 2), Metric("loss", 0.5, 20, 1)])
        await ports.log.add_metrics(run, [Metric("loss", math.nan, 20, 2)])

    async with open_() as ports:
        (latest,) = (await ports.runs.records([ID]))[ID].metrics
        assert math.isnan(latest.value)
        assert [point.step for point in await ports.history.of(ID, "loss")] == [1, 2]


async def test_tags_tell_what_changed(open_: Open, run: Run) -> None:
    async with open_() as ports:
        set_ = await ports.log.set_tags(ID, {"b": "2", "a": "1"})
        changed = await ports.log.set_tags(ID, {"a": "1", "b": "3", "c": None})
        removed = await ports.log.set_tags(ID, {"b": None})

    assert set_ == (TagChange("a", "1"), TagChange("b", "2"))
    assert changed == (TagChange("b", "3", "2"),)
    assert removed == (TagChange("b", None, "3"),)
    async with open_() as ports:
        assert (await ports.runs.records([ID]))[ID].tags == {"a": "1", "mlflow.runName": "crane"}


async def test_a_history_comes_in_pages(open_: Open, run: Run) -> None:
    points = [Metric("loss", place / 10, place // 2, place) for place in range(10)]
    async with open_() as ports:
        await ports.log.add_metrics(run, [*reversed(points), Metric("other", 1.0, 0)])
        await ports.log.add_metrics(run, points[:3])

    async with open_() as ports:
        assert await ports.history.of(ID, "loss") == points
        assert await ports.history.of(ID, "loss", offset=3, limit=4) == points[3:7]
        assert await ports.history.of("e" * 32, "loss") == []


@pytest.mark.parametrize(
    ("points", "steps", "expected"),
    [
        (100, None, list(range(11))),
        (11, None, list(range(11))),
        (3, None, [0, 5, 10]),
        (4, None, [0, 4, 7, 10]),
        (2, (3, 7), [3, 7]),
        (1, None, [10]),
    ],
)
async def test_a_history_can_be_thinned(
    open_: Open, run: Run, points: int, steps: tuple[int, int] | None, expected: list[int]
) -> None:
    async with open_() as ports:
        await ports.log.add_metrics(run, [Metric("loss", 0.5, 1, step) for step in range(11)])

    async with open_() as ports:
        sampled = await ports.history.sampled(ID, "loss", steps=steps, points=points)
    assert [point.step for point in sampled] == expected


async def test_writers_at_once_lose_nothing(open_: Open, run: Run) -> None:
    async def write(writer: int) -> None:
        for step in range(5):
            async with open_() as ports:
                await ports.runs.hold(ID)
                await ports.log.add_metrics(
                    run, [Metric(key, writer, step, step) for key in ("a", "b", f"of {writer}")]
                )
                await ports.log.set_tags(ID, {"writer": str(writer)})

    await asyncio.gather(*(write(writer) for writer in range(4)))

    async with open_() as ports:
        assert len(await ports.history.of(ID, "a")) == 20
        assert {point.key: point.value for point in (await ports.runs.records([ID]))[ID].metrics}["a"] == 3.0
