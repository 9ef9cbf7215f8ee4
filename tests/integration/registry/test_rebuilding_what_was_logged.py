"""What MLflow's clients logged comes back from the log, too."""

import asyncio
import math
from datetime import datetime

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag

from contracts.message import utc_now
from contracts.registered_models import (
    DeclareModelGates,
    ModelGatesDeclared,
    ModelVersionGatesWaived,
    WaiveModelVersionGates,
)
from services.registry.keys import key_of
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures.mlflow import said
from tests.fixtures.services import World
from tests.integration.registry.lived import ABOVE_SIX, rebuilt

pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")


async def test_what_clients_logged_comes_back_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    async with world.running(build(world.settings(RegistrySettings))) as live:
        client = MlflowClient(tracking_uri=live.url, registry_uri=live.url)
        await asyncio.to_thread(log_things, client)
        moments = await waive_and_crown(world, client)
        async with httpx.AsyncClient(base_url=f"{live.url}/v1") as http:
            state = (await http.get("/state")).json()
            then = [(await http.get("/models/Delays/as-of", params={"at": at.isoformat()})).json() for at in moments]

    assert [one["aliases"]["champion"] for one in then] == [1, 2]
    assert [one["versions"][-1]["state"] for one in then] == ["promoted", "promoted"]
    assert then[0]["other_aliases"] == {"mine": 2, "of_2": 2}
    assert then[0]["versions"][0]["aliases"] == ["challenger", "mine", "of_2"]
    done = await rebuilt(world, replace=True)

    assert done.before is not None
    assert done.before.unsaid == 0
    assert done.state.differing(done.before.state or done.state) == []
    assert done.state.digest == state["digest"]
    async with world.running(build(world.settings(RegistrySettings))) as live:
        client = MlflowClient(tracking_uri=live.url)
        assert await asyncio.to_thread(client.create_experiment, "one more") == "3"


def log_things(client: MlflowClient) -> None:
    """Do to experiments, runs and models what can be done to them."""
    kept, gone = client.create_experiment("Late flights", tags={"team": "delays"}), client.create_experiment("gone")
    client.set_experiment_tag(kept, "team", "arrivals")
    client.rename_experiment(kept, "Delays")
    run = client.create_run(kept, run_name="first", tags={"a": "1"}).info.run_id
    points = [Metric("loss", value, 1000 + step, step) for step, value in enumerate([3.0, 0.1, math.nan, math.inf])]
    client.log_batch(run, points, [Param("depth", "7")], [RunTag("b", "2")])
    client.log_metric(run, "loss", 1 / 3, timestamp=1, step=9)
    client.delete_tag(run, "a")
    used = DatasetInput(Dataset("flights", "d1", "local", "/data"), [InputTag("mlflow.data.context", "train")])
    client.log_inputs(run, [used])
    client.log_inputs(run, [used, DatasetInput(Dataset("weather", "d2", "local", "/data"), [])])
    for _ in range(2):
        model = client.create_logged_model(kept, name="trees", source_run_id=run, params={"depth": "7"}).model_id
        client.log_outputs(run, [LoggedModelOutput(model, step=3)])
        client.log_metric(run, "auc", 0.7, model_id=model)
        client.finalize_logged_model(model, "READY")
    client.set_logged_model_tags(model, {"team": "delays"})
    client.delete_logged_model(model)
    client.update_run(run, name="renamed")
    client.set_terminated(run, "FAILED", end_time=2000)
    for experiment in (kept, gone):
        client.delete_run(client.create_run(experiment).info.run_id)
    client.delete_experiment(kept)
    client.restore_experiment(kept)
    client.delete_experiment(gone)
    name_things(client, run)


def name_things(client: MlflowClient, run: str) -> None:
    """Do to models, versions and aliases what can be done to them."""
    for name in ("Late flights", "gone", "again"):
        client.create_registered_model(name, tags={"team": "delays"}, description=name)
        for _ in range(3):
            client.create_model_version(name, "s3://bucket/model", run_id=run, tags={"a": "1"}, description="one")
    client.set_registered_model_tag("Late flights", "team", "arrivals")
    client.update_registered_model("Late flights", "Will it be late?")
    client.set_model_version_tag("Late flights", "1", "b", "2")
    client.delete_model_version_tag("Late flights", "1", "a")
    client.update_model_version("Late flights", "1", "another")
    for version in ("1", "2"):
        client.set_registered_model_alias("Late flights", "mine", version)
        client.set_registered_model_alias("Late flights", f"of_{version}", version)
    client.set_registered_model_alias("Late flights", "challenger", "2")
    client.delete_registered_model_alias("Late flights", "of_1")
    client.transition_model_version_stage("Late flights", "1", "Archived")
    client.delete_model_version("Late flights", "3")
    client.rename_registered_model("Late flights", "Delays")
    for name in ("gone", "again"):
        client.delete_registered_model(name)
    client.create_registered_model("again")
    client.create_model_version("again", "s3://bucket/model")


async def waive_and_crown(world: World, client: MlflowClient) -> list[datetime]:
    """Let a version that was only logged be champion, and another after it; gives when each was."""
    for number in (1, 2):
        waiver = WaiveModelVersionGates(pipeline=key_of("Delays"), version=number, waived_by="ada", reason="a trial")
        await world.publish(waiver)
    await said(world, ModelVersionGatesWaived, 2)
    await world.publish(DeclareModelGates(pipeline="again", gates=ABOVE_SIX, declared_by="ada", reason="as by hand"))
    await said(world, ModelGatesDeclared)
    moments = []
    for version in ("1", "2"):
        await asyncio.to_thread(client.set_registered_model_alias, "Delays", "champion", version)
        moments.append(utc_now())
    return moments
