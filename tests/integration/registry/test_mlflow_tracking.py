"""MLflow's own client logs to the registry, unchanged; every change is also a fact."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from contracts.message import Message
from contracts.tracking import (
    ExperimentCreated,
    ExperimentDeleted,
    ExperimentRenamed,
    ExperimentTagged,
    RunCreated,
    RunLinked,
    RunLogged,
    RunUpdated,
)
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import training_run_started
from tests.fakes.registry.runs import leave_run
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

Session = Callable[[Callable[[MlflowClient], None]], Any]


@pytest.fixture
async def session(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """Runs what a data scientist would, in a thread of its own, against a registry."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    async with world.running(build(world.settings(RegistrySettings))) as live:

        async def run(talk: Callable[[MlflowClient], None]) -> None:
            await asyncio.to_thread(talk, MlflowClient(tracking_uri=live.url))

        yield run


def refused(code: str) -> Any:
    """Expect the server to refuse, with one of MLflow's codes."""
    return pytest.raises(MlflowException, match=code)


async def said(world: World, kind: type[Message], count: int = 1) -> list[Any]:
    """Wait until so many facts of one kind were said."""

    async def enough() -> list[Any]:
        found = await world.said(kind)
        return found if len(found) >= count else []

    return await eventually(enough)


async def test_experiments_live_and_are_told_about(world: World, session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        assert client.get_experiment("0").name == "Default"
        experiment_id = client.create_experiment("Late flights", tags={"team": "arrivals"})
        with refused("RESOURCE_ALREADY_EXISTS"):
            client.create_experiment("Late flights")
        client.set_experiment_tag(experiment_id, "team", "delays")
        client.rename_experiment(experiment_id, "Delays")
        run_id = client.create_run(experiment_id).info.run_id

        client.delete_experiment(experiment_id)
        assert client.get_run(run_id).info.lifecycle_stage == "deleted"
        with refused("RESOURCE_ALREADY_EXISTS"):
            client.create_experiment("Delays")
        with refused("INVALID_PARAMETER_VALUE"):
            client.create_run(experiment_id)
        client.restore_experiment(experiment_id)

        found = client.get_experiment_by_name("Delays")
        assert found is not None
        assert (found.experiment_id, found.tags, found.lifecycle_stage) == ("1", {"team": "delays"}, "active")
        assert found.artifact_location == "mlflow-artifacts:/1"
        assert client.get_run(run_id).info.lifecycle_stage == "active"
        assert client.get_experiment_by_name("Late flights") is None

    await session(talk)

    (created,) = await said(world, ExperimentCreated)
    assert created.pipeline.startswith("late_flights_")
    (renamed,) = await said(world, ExperimentRenamed)
    assert (renamed.pipeline, renamed.previous_name) == (created.pipeline, "Late flights")
    (tagged,) = await said(world, ExperimentTagged)
    assert [(tag.key, tag.value, tag.previous) for tag in tagged.tags] == [("team", "delays", "arrivals")]
    assert [fact.experiment_id for fact in await said(world, ExperimentDeleted)] == ["1"]


async def test_a_run_keeps_what_was_logged(world: World, session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        run = client.create_run("0", tags={"mlflow.user": "ada", "mlflow.parentRunId": "f" * 32})
        run_id = run.info.run_id
        assert run.info.run_name == run.data.tags["mlflow.runName"]
        assert run.info.artifact_uri == f"mlflow-artifacts:/0/{run_id}/artifacts"

        client.log_metric(run_id, "loss", 0.5, timestamp=10, step=1)
        client.log_metric(run_id, "loss", 0.5, timestamp=10, step=1)
        client.log_metric(run_id, "loss", math.nan, timestamp=11, step=3)
        client.log_metric(run_id, "loss", math.inf, timestamp=12, step=2)
        client.log_param(run_id, "depth", 3)
        client.log_param(run_id, "depth", 3)
        with refused("INVALID_PARAMETER_VALUE"):
            client.log_param(run_id, "depth", 4)
        client.set_tag(run_id, "holiday", "easter")
        client.delete_tag(run_id, "holiday")
        with refused("RESOURCE_DOES_NOT_EXIST"):
            client.delete_tag(run_id, "holiday")
        client.set_tag(run_id, "mlflow.runName", "renamed")
        client.set_terminated(run_id, end_time=99)

        known = client.get_run(run_id)
        assert (known.info.run_name, known.info.status, known.info.end_time) == ("renamed", "FINISHED", 99)
        assert known.data.params == {"depth": "3"}
        assert known.data.tags["mlflow.parentRunId"] == "f" * 32
        assert math.isnan(known.data.metrics["loss"])
        history = client.get_metric_history(run_id, "loss")
        assert [(point.step, point.timestamp) for point in history] == [(1, 10), (3, 11), (2, 12)]
        assert history[2].value == 1.7976931348623157e308

        client.delete_run(run_id)
        with refused("INVALID_PARAMETER_VALUE"):
            client.log_metric(run_id, "loss", 1.0)
        client.restore_run(run_id)
        assert client.get_run(run_id).info.lifecycle_stage == "active"

    await session(talk)

    (created,) = await said(world, RunCreated)
    updates = await said(world, RunUpdated, 2)
    assert [update.state.status for update in updates] == ["RUNNING", "FINISHED"]
    assert updates[0].previous == created.state
    logged = await said(world, RunLogged, 9)
    assert [point.value for fact in logged for point in fact.metrics] == [0.5, 0.5, None, 1.7976931348623157e308]
    removed = [tag for fact in logged for tag in fact.tags if tag.value is None]
    assert [(tag.key, tag.previous) for tag in removed] == [("holiday", "easter")]


async def test_a_batch_is_logged_whole_or_not_at_all(world: World, session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        run_id = client.create_run("0").info.run_id
        points = [Metric(f"m{place % 7}", place / 10, place, place) for place in range(800)]
        params = [Param(f"p{place}", "v" * 7000) for place in range(100)]
        tags = [RunTag(f"t{place}", "w" * 9000) for place in range(20)]
        client.log_batch(run_id, points, params, tags)

        known = client.get_run(run_id)
        assert known.data.metrics["m1"] == 79.9
        assert known.data.params["p9"] == "v" * 6000
        assert known.data.tags["t19"] == "w" * 8000
        assert len(client.get_metric_history(run_id, "m0")) == 115

        with refused("INVALID_PARAMETER_VALUE"):
            client.log_batch(run_id, [Metric("late", 1.0, 0, 0)], [Param("p1", "other")])
        assert "late" not in client.get_run(run_id).data.metrics
        for wrong in ("../up", "a//b", "a,b", "x" * 251, "/root"):
            with refused("INVALID_PARAMETER_VALUE"):
                client.log_batch(run_id, [Metric(wrong, 1.0, 0, 0)])

    await session(talk)

    async def told() -> list[RunLogged]:
        logged = await world.said(RunLogged)
        entries = sum(len(fact.metrics) + len(fact.params) + len(fact.tags) for fact in logged)
        return logged if entries == 800 + 100 + 20 else []

    logged: list[RunLogged] = await eventually(told)
    assert {fact.run_id for fact in logged} == {logged[0].run_id}


async def test_a_run_tells_which_data_and_models_it_used(world: World, session: Session) -> None:
    def talk(client: MlflowClient) -> None:
        run_id = client.create_run("0").info.run_id
        dataset = Dataset("ones", "0e588e32", "local", "ones.npy", schema="[2]", profile='{"rows": 3}')
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
        client.log_inputs(run_id, [used])
        client.log_inputs(run_id, [used])
        client.log_outputs(run_id, [LoggedModelOutput("m-1", 7)])

        known = client.get_run(run_id)
        assert known.inputs is not None
        assert known.outputs is not None
        (found,) = known.inputs.dataset_inputs
        assert dict(found.dataset) == dict(dataset)
        assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
        assert [(one.model_id, one.step) for one in known.outputs.model_outputs] == [("m-1", 7)]

    await session(talk)

    data, models = await said(world, RunLinked, 2)
    assert [use.name for use in data.datasets] == ["ones"]
    assert [(made.model_id, made.step) for made in models.models_made] == [("m-1", 7)]


async def test_everloops_own_runs_are_among_them(world: World, session: Session, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    started = training_run_started(run_id=run.run_id, parameters={"num_leaves": 31})

    def talk(client: MlflowClient) -> None:
        experiment = client.get_experiment_by_name(PIPELINE)
        assert experiment is not None
        known = client.get_run(run.run_id.hex)
        assert (known.info.experiment_id, known.info.status) == (experiment.experiment_id, "FINISHED")
        assert known.data.params == {"num_leaves": "31"}
        assert known.data.metrics == run.metrics
        assert known.data.tags["everloop.bundle_digest"] == run.bundle_digest

    for fact in (started, run):
        await world.publish(fact)
    await said(world, RunUpdated)
    await said(world, RunLinked)

    await session(talk)


async def test_runs_are_compared_by_what_differs(sqlite_world: World) -> None:
    async with (
        sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as live,
        httpx.AsyncClient(base_url=live.url) as client,
    ):
        ids = []
        for depth in ("3", "4"):
            made = await client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0", "run_name": "same"})
            ids.append(made.json()["run"]["info"]["run_id"])
            params = [{"key": "depth", "value": depth}, {"key": "seed", "value": "1"}]
            await client.post("/api/2.0/mlflow/runs/log-batch", json={"run_id": ids[-1], "params": params})

        compared = (await client.get("/v1/runs/compare", params={"run_id": ids})).json()
        unknown = await client.get("/v1/runs/compare", params={"run_id": [ids[0], "nobody"]})

    assert [run["run_id"] for run in compared["runs"]] == ids
    assert (compared["params"], compared["tags"], compared["same"]) == ({"depth": ["3", "4"]}, {}, 2)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:everloop:problem:run_not_found")
