"""What nobody needs any more goes for good, bytes included; what somebody needs stays."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from contracts.jobs import TrainingReport
from contracts.registered_models import ModelVersionCollected
from contracts.registry import ModelVersionPromoted, ModelVersionRejected
from contracts.tracking import ExperimentCollected, RunCollected
from contracts.training import FailureReason, TrainingRunFailed
from everloop.bundle.manifest import verify
from everloop.cli.main import app
from services.chassis.errors import TransientError
from services.registry.domain import VersionState
from services.registry.garbage.domain import Place
from services.registry.garbage.files import StoredFiles
from services.registry.garbage.ports import Erasures
from services.registry.main import build
from services.registry.rows import ModelRow, VersionRow
from services.registry.settings import RegistrySettings
from tests.contracts.examples import NOON, PIPELINE
from tests.fakes.registry.examples import pipeline_registered, run_id, training_run_started
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import said
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.registry.lived import ABOVE_SIX, rebuilt, running

T = TypeVar("T")
NOW = {"deleted_days": 0, "failed_days": 0, "refused_days": 0}
WISH = {**NOW, "by": "ada", "reason": "the disk is full"}


async def called(call: Callable[..., T], *arguments: object, **more: object) -> T:
    """Let the client block, as it does."""
    return await asyncio.wait_for(asyncio.to_thread(call, *arguments, **more), timeout=60)


async def plan(client: httpx.AsyncClient, **keep: int) -> dict[tuple[str, str], Any]:
    """Ask what would go, by kind and name."""
    found = (await client.get("/garbage", params=keep)).raise_for_status().json()["found"]
    return {(one["kind"], one["name"]): one for one in found}


async def collect(client: httpx.AsyncClient) -> dict[str, int]:
    """Have everything go, and wait for its files to be erased."""
    went = (await client.post("/garbage/collect", json=WISH)).raise_for_status().json()
    assert went["more"] is False

    async def erased() -> bool:
        return bool((await client.get("/garbage/erasing")).json() == {"places": 0})

    await eventually(erased)
    return dict(went["went"])


async def test_what_people_deleted_goes_with_its_files(world: World) -> None:
    files = world.home / "store/artifacts"
    async with running(world) as http:
        url = str(http.base_url).removesuffix("/v1/")
        client = MlflowClient(url, url)
        old = await called(client.create_experiment, "old", tags={"team": "delays"})
        model = await called(client.create_logged_model, old, name="trees", params={"depth": "7"})
        runs = {}
        for name, experiment in (("inside", old), ("alone", "0"), ("needed", "0"), ("in use", "0")):
            run = await called(client.create_run, experiment, run_name=name, tags={"a": "1"})
            runs[name] = run.info.run_id
            await called(client.log_metric, runs[name], "loss", 0.5, model_id=model.model_id)
            await called(client.log_param, runs[name], "depth", "7")
            await called(client.log_text, runs[name], name, "notes.txt")
        await called(client.create_registered_model, "Trees")
        source = f"mlflow-artifacts:/0/{runs['needed']}/artifacts/notes.txt"
        await called(client.create_model_version, "Trees", source, run_id=runs["needed"])
        for name in ("alone", "needed"):
            await called(client.delete_run, runs[name])
        await called(client.delete_experiment, old)

        assert await plan(http) == {}
        found = await plan(http, **NOW)
        assert {key: one["needed_by"] for key, one in found.items()} == {
            ("run", "inside"): None,
            ("run", "alone"): None,
            ("run", "needed"): "Trees 1",
            ("logged model", "trees"): None,
            ("experiment", "old"): None,
        }
        assert found["run", "alone"]["bytes"] == len("alone")

        assert await collect(http) == {"run": 2, "logged model": 1, "experiment": 1}

        left = {path.read_text() for path in files.rglob("*.txt")}
        assert left == {"needed", "in use"}
        with pytest.raises(MlflowException, match="not found"):
            await called(client.get_run, runs["alone"])
        assert await called(client.create_experiment, "old") != old
        assert list(await plan(http, **NOW)) == [("run", "needed")]
        state = (await http.get("/state")).json()["digest"]

    (fact,) = await world.said(ExperimentCollected)
    assert (fact.name, fact.collected_by, fact.reason) == ("old", "ada", "the disk is full")
    assert len(await world.said(RunCollected)) == 2
    assert (await rebuilt(world, replace=True)).state.digest == state


async def test_of_a_version_what_was_decided_stays_and_what_is_needed_verifies(world: World) -> None:
    store = world.home / "store"
    async with running(world) as http:
        await world.publish(pipeline_registered(gates=ABOVE_SIX))
        first, second = leave_run(store, 1), leave_run(store, 2, metrics={"auc": 0.5})
        for run in (first, second, leave_run(store, 3), leave_run(store, 4)):
            await world.publish(run)
        await said(world, ModelVersionPromoted, 3)
        await said(world, ModelVersionRejected)
        url = str(http.base_url).removesuffix("/v1/")
        await called(MlflowClient(url, url).delete_model_version, PIPELINE, "1")

        assert set(await plan(http, deleted_days=0)) == {("version", f"{PIPELINE} 1")}
        assert await collect(http) == {"version": 2}

        versions = (await http.get(f"/models/{PIPELINE}/versions")).json()
        detail = (await http.get(f"/models/{PIPELINE}/versions/2")).json()
        state = (await http.get("/state")).json()["digest"]

    assert [(one["version"], one["collected_at"] is not None) for one in versions] == [
        (4, False),
        (3, False),
        (2, True),
    ]
    assert [verdict["passed"] for verdict in detail["verdicts"]] == [False]
    for run in (first, second):
        assert not (Path(run.bundle_uri) / "model.onnx").exists()
        assert TrainingReport.model_validate_json((Path(run.bundle_uri).parent / "report.json").read_bytes())
    for one in versions[:2]:
        verify(one["bundle_uri"], one["bundle_digest"])
    assert {fact.version for fact in await world.said(ModelVersionCollected)} == {1, 2}
    assert (await rebuilt(world, replace=True)).state.digest == state


async def test_what_failed_runs_and_broken_uploads_left_goes(sqlite_world: World) -> None:
    store = sqlite_world.home / "store"
    async with running(sqlite_world) as http:
        for number in (1, 2):
            await sqlite_world.publish(training_run_started(run_id=run_id(number)))
            checkpoint = store / "runs" / str(run_id(number)) / "checkpoints/1.bin"
            checkpoint.parent.mkdir(parents=True)
            checkpoint.write_bytes(b"x" * 1000)
        why = {"reason": FailureReason.CRASHED, "detail": "out of memory", "attempts": 1}
        await sqlite_world.publish(TrainingRunFailed(pipeline=PIPELINE, run_id=run_id(1), **why))
        broken = store / "artifacts/0/.abc.partial"
        broken.parent.mkdir(parents=True)
        broken.write_bytes(b"x")
        os.utime(broken, (1, 1))

        async def both() -> bool:
            return {kind for kind, _ in await plan(http, **NOW)} == {"failed training run", "unfinished upload"}

        await eventually(both)
        assert await plan(http, deleted_days=0) != {}
        assert await collect(http) == {"failed training run": 1, "unfinished upload": 1}

    assert [path.name for path in (store / "runs").iterdir()] == [str(run_id(2))]
    assert not broken.exists()


async def test_files_are_erased_by_whoever_comes_after_a_crash(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise TransientError("store_unreachable", detail="no route")

    files = sqlite_world.home / "store/artifacts"
    with monkeypatch.context() as broken:
        broken.setattr(StoredFiles, "erase", fail)
        async with running(sqlite_world) as http:
            client = MlflowClient(str(http.base_url).removesuffix("/v1/"))
            run = (await called(client.create_run, "0")).info.run_id
            await called(client.log_text, run, "x", "notes.txt")
            await called(client.delete_run, run)
            await http.post("/garbage/collect", json=WISH)
            assert (await http.get("/garbage/erasing")).json() == {"places": 1}
    assert [*files.rglob("notes.txt")]

    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))):

        async def gone() -> bool:
            return not [*files.rglob("notes.txt")]

        await eventually(gone)


async def test_a_bundle_that_somebody_has_by_now_is_not_erased(sqlite_world: World) -> None:
    store = sqlite_world.home / "store"
    for name in ("mine", "nobodys"):
        (store / "logged" / name).mkdir(parents=True)
        (store / "logged" / name / "model.onnx").write_bytes(b"x")
    champion = VersionRow(
        pipeline="trees",
        number=1,
        bundle_uri=str(store / "logged/mine"),
        source="models:/m-1",
        location="mlflow-artifacts:/0/models/m-1/artifacts",
        registered_at=NOON,
        updated_at=NOON,
        state=VersionState.PROMOTED,
    )
    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as live:
        async with live.work.transaction() as tx:
            tx.session.add(ModelRow(pipeline="trees", name="Trees", registered_at=NOON, updated_at=NOON))
            await tx.session.flush()
            tx.session.add(champion)
            for name in ("mine", "nobodys"):
                await tx.port(Erasures).add(Place(f"logged/{name}"))

        async def settled() -> bool:
            async with live.work.transaction(write=False) as tx:
                return await tx.port(Erasures).count() == 0

        await eventually(settled)
    assert [path.name for path in (store / "logged").iterdir()] == ["mine"]


async def test_by_hand(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everloop(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, app, list(words))
        return done.exit_code, done.stdout if done.exit_code == 0 else str(done.exception)

    async with running(sqlite_world) as http:
        url = str(http.base_url).removesuffix("/v1/")
        monkeypatch.setenv("EVERLOOP_NATS_URL", sqlite_world.broker.url)
        for service in ("ingestion", "training", "registry", "serving", "monitoring"):
            monkeypatch.setenv(f"EVERLOOP_{service.upper()}_URL", url)
        client = MlflowClient(url)
        run = (await called(client.create_run, "0", run_name="old one")).info.run_id
        await called(client.delete_run, run)

        status, shown = await everloop("gc", "--deleted-days", "0")
        assert (status, "old one" in shown, "Nothing has changed" in shown) == (0, True, True), shown
        status, refused = await everloop("gc", "--deleted-days", "0", "--collect")
        assert "--reason" in refused
        status, told = await everloop("gc", "--deleted-days", "0", "--collect", "--reason", "full", "--json")
        assert (status, json.loads(told)) == (0, {"went": {"run": 1}}), told
        status, told = await everloop("gc", "--deleted-days", "0")
        assert (status, "Nothing is of no use" in told) == (0, True), told
