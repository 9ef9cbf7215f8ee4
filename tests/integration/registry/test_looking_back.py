"""The registry as it was, from its own database and, where that is lost, from the log."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, RunTag
from typer.testing import CliRunner

from contracts.message import Message, utc_now
from contracts.pipeline import AbsoluteGate, Policy
from contracts.registered_models import (
    DeclareModelGates,
    ModelGatesDeclared,
    ModelVersionGatesWaived,
    WaiveModelVersionGates,
)
from contracts.registry import (
    ModelVersionApprovalGiven,
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRejected,
    RejectModelVersion,
    RollBackModel,
)
from contracts.training import FailureReason, TrainingRunFailed
from everloop.cli.main import app
from everloop.client.bus import connect_bus
from everloop.platform.rebuilding import registry_log
from services.chassis.errors import RejectedError
from services.registry.keys import key_of
from services.registry.main import build
from services.registry.past import rebuilding
from services.registry.past.main import rebuild_from
from services.registry.past.rebuilding import Rebuilt
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered, run_id, training_run_started
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import S3, registry_of
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")

WHY = ("model.onnx", "version not found")
ABOVE_SIX = (AbsoluteGate(metric="auc", at_least=0.6),)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Run the registry; gives a client of its HTTP side."""
    async with (
        world.running(build(world.settings(RegistrySettings))) as live,
        httpx.AsyncClient(base_url=f"{live.url}/v1", timeout=20) as client,
    ):
        yield client


async def said(world: World, kind: type[Message], count: int = 1) -> list[Any]:
    """Wait until so many facts of one kind were said."""

    async def enough() -> list[Any]:
        found = await world.said(kind)
        return found if len(found) >= count else []

    return await eventually(enough)


async def rebuilt(world: World, *, replace: bool = False, partly: bool = False) -> Rebuilt:
    """Rebuild the database from the broker's log."""

    async with connect_bus(world.broker.url) as bus:
        return await rebuild_from(registry_log(bus), world.settings(RegistrySettings), replace=replace, partly=partly)


async def live_a_life(world: World, client: httpx.AsyncClient, store: Path) -> datetime:
    """Promote two versions, refuse two, go back to the first; gives a time at which the second was champion."""
    await world.publish(pipeline_registered(gates=ABOVE_SIX, policy=Policy.ASK))
    for number in (1, 9):
        await world.publish(training_run_started(run_id=run_id(number)))
    crashed = {"reason": FailureReason.CRASHED, "detail": "out of memory", "attempts": 1}
    await world.publish(TrainingRunFailed(pipeline=PIPELINE, run_id=run_id(9), **crashed))
    await world.publish(leave_run(store, 1))
    await world.publish(leave_run(store, 2))
    await world.publish(leave_run(store, 3, metrics={"auc": 0.5}))
    await said(world, ModelVersionRejected)
    for number in (1, 2):
        wish = {"by": "ada", "reason": "looks right"}
        await client.post(f"/models/{PIPELINE}/versions/{number}/approve", json=wish)
    await said(world, ModelVersionPromoted, 2)
    then = utc_now()
    await world.publish(leave_run(store, 4))
    await said(world, ModelVersionAwaitingApproval, 3)
    await world.publish(RejectModelVersion(pipeline=PIPELINE, version=4, rejected_by="bob", reason="wrong holiday"))
    await world.publish(RollBackModel(pipeline=PIPELINE, requested_by="eve", reason="complaints"))
    await said(world, ModelVersionRejected, 2)
    await said(world, ModelVersionPromoted, 3)
    return then


async def test_lost_database_comes_back_from_the_log(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "LOCK_WAIT_S", 0.3)
    async with running(world) as client:
        await live_a_life(world, client, tmp_path)
        state = (await client.get("/state")).json()
        with pytest.raises(RejectedError, match="registry running"):
            await rebuilt(world, replace=True)

    first = await rebuilt(world, replace=True)
    async with running(world) as client:
        again = (await client.get("/state")).json()
        await world.publish(leave_run(tmp_path, 5))
        await said(world, ModelVersionAwaitingApproval, 4)
        versions = (await client.get(f"/models/{PIPELINE}/versions")).json()

    assert first.state.digest == state["digest"] == again["digest"]
    assert first.before is not None
    assert first.before.state == first.state
    assert first.set_aside is not None
    # What was decided stays decided, numbers go on, and nothing is registered twice.
    assert [(each["version"], each["state"]) for each in versions] == [
        (5, "awaiting_approval"),
        (4, "rejected"),
        (3, "rejected"),
        (2, "promoted"),
        (1, "promoted"),
    ]
    assert len(await world.said(ModelVersionApprovalGiven)) == 2


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


async def test_what_was_in_production_outlives_its_model(world: World) -> None:
    async def waive(number: int) -> None:
        await world.publish(WaiveModelVersionGates(pipeline="churn", version=number, waived_by="ada", reason="a trial"))
        await said(world, ModelVersionGatesWaived, number)

    async def seen(http: httpx.AsyncClient) -> list[Any]:
        found = [(await http.get("/models/churn/as-of", params={"at": at.isoformat()})).json() for at in moments]
        listed = [(await http.get("/as-of", params={"at": at.isoformat()})).json() for at in moments]
        states = [[(version["version"], version["state"]) for version in one["versions"]] for one in found]
        return [[one["aliases"]["champion"] for one in found], states, [len(models) for models in listed]]

    moments: list[datetime] = []
    async with registry_of(world) as client, httpx.AsyncClient(base_url=f"{client.url}/v1") as http:
        for number in (1, 2):
            await client.create_registered_model("churn")
            await client.create_model_version("churn", S3)
            await waive(number)
            moments.append(utc_now())
            await client.set_registered_model_alias("churn", "champion", number)
            moments.append(utc_now())
            await client.delete_registered_model("churn")
            moments.append(utc_now())
        before = await seen(http)

    assert before == [
        [None, 1, None, None, 2, None],
        [[(1, "waived")], [(1, "promoted")], [], [(2, "waived")], [(2, "promoted")], []],
        [1, 1, 1, 1, 1, 0],
    ]
    done = await rebuilt(world, replace=True)
    assert done.before is not None
    assert done.before.state == done.state
    async with registry_of(world) as client, httpx.AsyncClient(base_url=f"{client.url}/v1") as http:
        assert await seen(http) == before


async def test_nothing_is_overwritten_unasked(sqlite_world: World, tmp_path: Path) -> None:
    file = sqlite_world.home / "db" / "registry.sqlite"
    async with running(sqlite_world):
        await sqlite_world.publish(pipeline_registered(gates=ABOVE_SIX))
        await sqlite_world.publish(leave_run(tmp_path))
        await said(sqlite_world, ModelVersionPromoted)

    with pytest.raises(RejectedError, match="database not empty"):
        await rebuilt(sqlite_world)

    file.unlink()
    assert (await rebuilt(sqlite_world)).set_aside is None
    file.write_bytes(b"no database")
    done = await rebuilt(sqlite_world, replace=True)
    assert done.before is not None
    assert done.before.state is None
    assert done.set_aside is not None
    assert file.with_name(done.set_aside.rpartition("/")[2]).read_bytes() == b"no database"


async def test_changed_bundle_is_not_taken_for_what_it_was(sqlite_world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    async with running(sqlite_world):
        await sqlite_world.publish(pipeline_registered(gates=ABOVE_SIX))
        await sqlite_world.publish(run)
        await said(sqlite_world, ModelVersionPromoted)
    (Path(run.bundle_uri) / "model.onnx").write_bytes(b"another model")
    file = sqlite_world.home / "db" / "registry.sqlite"
    before = file.read_bytes()

    with pytest.raises(RejectedError, match=r"model\.onnx"):
        await rebuilt(sqlite_world, replace=True)

    assert file.read_bytes() == before
    done = await rebuilt(sqlite_world, replace=True, partly=True)
    assert [
        (one.type.rpartition(".version.")[2], why in one.why) for one, why in zip(done.left_out, WHY, strict=True)
    ] == [
        ("gates_evaluated.v1", True),
        ("promoted.v1", True),
    ]


async def test_what_others_put_on_the_registrys_subjects_is_no_fact(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await live_a_life(sqlite_world, client, tmp_path)
        state = (await client.get("/state")).json()
        (honest, *_) = await sqlite_world.said(ModelVersionPromoted)
        await sqlite_world.publish(honest.model_copy(update={"version": 4, "promoted_by": "mallory"}))

    assert (await rebuilt(sqlite_world, replace=True)).state.digest == state["digest"]


async def test_champion_of_an_earlier_time(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        start = utc_now()
        then = await live_a_life(sqlite_world, client, tmp_path)

        async def champion(at: datetime) -> Any:
            answer = await client.get(f"/models/{PIPELINE}/as-of", params={"at": at.isoformat()})
            return answer.json()["aliases"]["champion"], [one["version"] for one in answer.json()["versions"]]

        assert await champion(start) == (None, [])
        assert await champion(then) == (2, [3, 2, 1])
        assert await champion(utc_now()) == (1, [4, 3, 2, 1])
        naive = await client.get(f"/models/{PIPELINE}/as-of", params={"at": "2026-01-01T00:00:00"})
        assert naive.status_code == 422
        assert (await client.get("/models/other/as-of", params={"at": then.isoformat()})).status_code == 404


async def test_other_gates_are_tried_on_recorded_reports(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await live_a_life(sqlite_world, client, tmp_path)

        async def differing(**gate: float) -> list[tuple[int, str, str]]:
            gates = [{"kind": "absolute", "metric": "auc", **gate}]
            answer = await client.post("/what-if", json={"gates": gates, "model": PIPELINE})
            return [(one["version"], one["was"], one["would"]) for one in answer.json() if one["differs"]]

        assert await differing(at_least=0.6) == []
        assert await differing(at_least=0.4) == [(3, "refused", "waiting")]
        assert await differing(at_least=0.8) == [(1, "promoted", "refused"), (2, "promoted", "refused")]
        assert (await client.post("/what-if", json={"gates": [], "model": PIPELINE})).status_code == 422
        other = {"gates": [{"kind": "schema"}], "model": "other"}
        assert (await client.post("/what-if", json=other)).status_code == 404


async def test_commands_show_it(sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text('[[gates]]\nkind = "absolute"\nmetric = "auc"\nat_least = 0.8\n')
    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as live:
        async with httpx.AsyncClient(base_url=f"{live.url}/v1") as client:
            mlflow = MlflowClient(tracking_uri=live.url, registry_uri=live.url)
            await asyncio.to_thread(mlflow.create_registered_model, "Late flights")
            then = await live_a_life(sqlite_world, client, tmp_path)
            state = (await client.get("/state")).json()
        monkeypatch.setenv("EVERLOOP_NATS_URL", sqlite_world.broker.url)
        for service in ("INGESTION", "TRAINING", "REGISTRY", "SERVING", "MONITORING"):
            monkeypatch.setenv(f"EVERLOOP_{service}_URL", live.url)

        async def shown(*words: str) -> str:
            done = await asyncio.to_thread(CliRunner().invoke, app, ["registry", *words])
            return done.stdout if done.exception is None else str(done.exception)

        everything = await shown("as-of", then.isoformat())
        assert f"{PIPELINE}  champion 2  challenger –  previous 1" in everything
        assert "Late flights  champion –" in everything
        assert "champion 1" in await shown("as-of", "2999-01-01", PIPELINE)
        assert state["digest"] in await shown("digest")
        assert json.loads(await shown("digest", "--json")) == state
        supposed = await shown("what-if", str(gates))
        assert [line.split()[1:4] for line in supposed.splitlines() if PIPELINE in line] == [
            ["1", "promoted", "refused"],
            ["2", "promoted", "refused"],
        ]
        gates.write_text("gates = []")
        assert "declares no gates" in await shown("what-if", str(gates))
        assert "is no time" in await shown("as-of", "yesterday")
        assert "model not found" in await shown("as-of", "2026-01-01", "other")
