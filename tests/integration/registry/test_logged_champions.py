"""Champions that MLflow's clients logged: packed into bundles that serving loads, or told why not."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from contracts.message import utc_now
from contracts.model import VersionNumber
from contracts.registered_models import ModelAliasMoved, ModelDeleted, ModelGatesDeclared, WaiveModelVersionGates
from contracts.registry import ModelCommandRefused, PromotionKind, RollBackModel
from contracts.serving import RolloutRolledBack
from everloop.bundle.logged import load_any
from everloop.client.bus import connect_bus
from everloop.platform.rebuilding import registry_log
from services.registry.past.main import rebuild_from
from services.registry.settings import RegistrySettings
from tests.fixtures.mlflow import Client, registry_of, said
from tests.fixtures.onnx_session import MODEL, ROWS, WEIGHTS, answers, linear
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

COLUMNS = ROWS.to_dict("list")
REASON = "better than none"


async def log_models(client: Client, directory: Path) -> dict[int, list[float]]:
    """Leave what `mlflow.onnx.log_model` leaves, twice; gives what onnxruntime answers by each."""
    await client.create_registered_model(MODEL)
    expected = {}
    for number, weights in enumerate(WEIGHTS, start=1):
        model = linear(weights)
        columns = [{"type": "double", "name": name, "required": True} for name in ROWS.columns]
        described = {
            "flavors": {"onnx": {"data": "model.onnx"}, "python_function": {"loader_module": "mlflow.onnx"}},
            "signature": {"inputs": json.dumps(columns)},
            "saved_input_example_info": {"serving_input_path": "example.json"},
        }
        (directory / "model.onnx").write_bytes(model.SerializeToString())
        (directory / "MLmodel").write_text(json.dumps(described))
        (directory / "example.json").write_text(json.dumps({"dataframe_split": ROWS.to_dict("split")}))
        run_id = (await client.create_run("0")).info.run_id
        await client.log_metric(run_id, "auc", 0.5 + number / 10)
        await client.log_artifacts(run_id, str(directory), "model")
        await client.create_model_version(MODEL, f"runs:/{run_id}/model", run_id=run_id)
        expected[number] = answers(model)
    return expected


async def crowned(world: World, number: VersionNumber, count: int) -> ModelAliasMoved:
    """Wait until a version is champion, after so many moves of that alias."""

    async def enough() -> ModelAliasMoved | None:
        moves = [one for one in await said(world, ModelAliasMoved) if one.alias == "champion"]
        return moves[count - 1] if len(moves) >= count else None

    moved = await eventually(enough)
    assert moved
    assert moved.version == number
    return moved


async def get(client: Client, path: str) -> Any:
    async with httpx.AsyncClient(base_url=f"{client.url}/v1", timeout=20) as http:
        return (await http.get(path)).raise_for_status().json()


async def test_a_logged_model_is_packed_served_and_gone_back_to(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    async with registry_of(world) as client:
        files = tmp_path / "files"
        files.mkdir()
        expected = await log_models(client, files)

        refused = await client.refused("set_registered_model_alias", MODEL, "champion", 1)
        await world.publish(WaiveModelVersionGates(pipeline=MODEL, version=1, waived_by="ada", reason=REASON))
        await eventually(lambda: waived(client))
        await client.set_registered_model_alias(MODEL, "champion", 1)
        first = await crowned(world, 1, 1)

        wish = {"by": "ada", "reason": REASON, "gates": [{"metric": "auc", "at_least": 0.65}]}
        async with httpx.AsyncClient(base_url=f"{client.url}/v1/models") as http:
            await http.post(f"/{MODEL}/gates", json=wish)
        await said(world, ModelGatesDeclared)
        await client.set_registered_model_alias(MODEL, "champion", 2)
        second = await crowned(world, 2, 2)

        await client.set_registered_model_alias(MODEL, "champion", 1)
        by_alias = await crowned(world, 1, 3)
        await world.publish(RollBackModel(pipeline=MODEL, to_version=2, requested_by="eve", reason="complaints"))
        by_command = await crowned(world, 2, 4)
        failed = {"version": 2, "serving_version": 1, "reason": "it failed", "promoted_at": utc_now()}
        await world.publish(RolloutRolledBack(pipeline=MODEL, rollout_id=uuid4(), **failed))
        demoted = await crowned(world, 1, 5)

        assert "everloop waive churn 1" in refused
        assert first.reason.endswith(f"its gates were waived: {REASON}")
        for fact in (first, second):
            assert fact.bundle_uri
            model = load_any(fact.bundle_uri, fact.bundle_digest)
            assert list(model.predict(COLUMNS)) == expected[fact.version or 0]
            assert model.check_golden(0.0) == 0.0
            assert [spec.name for spec in model.signature.inputs] == list(ROWS.columns)
        kinds = [one.kind for one in (first, second, by_alias, by_command, demoted)]
        assert kinds == [PromotionKind.WAIVER, PromotionKind.GATES, *[PromotionKind.ROLLBACK] * 2, None]
        assert (by_alias.bundle_digest, by_command.bundle_digest) == (first.bundle_digest, second.bundle_digest)
        assert (demoted.moved_by, demoted.bundle_uri) == ("serving", None)

        await asyncio.to_thread(Path(str(second.bundle_uri), "model.onnx").write_bytes, b"another model")
        spoilt = await client.refused("set_registered_model_alias", MODEL, "champion", 2)
        await world.publish(RollBackModel(pipeline=MODEL, to_version=2, requested_by="eve", reason="complaints"))
        (told,) = await said(world, ModelCommandRefused)
        assert "model.onnx" in spoilt
        assert "model.onnx" in told.detail

        named = await client.refused("rename_registered_model", MODEL, "leaving")
        assert "served model keeps its name" in named
        await client.delete_registered_model(MODEL)
        await said(world, ModelDeleted)
        gone = [one for one in await said(world, ModelAliasMoved) if one.retired]
        assert [(one.alias, one.version) for one in gone] == [("champion", None)]
        state = (await get(client, "/state"))["digest"]
    async with connect_bus(world.broker.url) as bus:
        again = await rebuild_from(registry_log(bus), world.settings(RegistrySettings), replace=True, partly=False)
    assert again.state.digest == state


async def test_a_pickle_is_champion_and_told_why_nobody_serves_it(sqlite_world: World) -> None:
    world = sqlite_world
    async with registry_of(world) as client:
        run_id = (await client.create_run("0")).info.run_id
        await client.log_text(run_id, "flavors: {sklearn: {pickled_model: model.pkl}}", "model/MLmodel")
        await client.create_registered_model(MODEL)
        await client.create_model_version(MODEL, f"runs:/{run_id}/model", run_id=run_id)
        await world.publish(WaiveModelVersionGates(pipeline=MODEL, version=1, waived_by="ada", reason=REASON))
        await eventually(lambda: waived(client))

        async with httpx.AsyncClient(base_url=client.url, timeout=60) as http:
            wish = {"name": MODEL, "alias": "champion", "version": "1"}
            answer = (await http.post("/api/2.0/mlflow/registered-models/alias", json=wish)).raise_for_status().json()
        moved = await crowned(world, 1, 1)
        (model,) = [one for one in await get(client, "/models") if one["name"] == MODEL]
        (version,) = await get(client, f"/models/{MODEL}/versions")

        why = "not served: sklearn models are pickles, which no service loads; log it as ONNX"
        assert answer == {"serving": why}
        assert (moved.bundle_uri, f"not served: {moved.not_served}") == (None, why)
        assert (model["promotion"], model["aliases"]["champion"]) == (None, 1)
        assert (version["kind"], version["version"], version["serving"]) == ("logged", 1, why)
        assert "can't be built again" in version["untold"]
        assert (await client.get_model_version(MODEL, 1)).tags["everloop.serving"] == why


async def waived(client: Client) -> bool:
    version = await get(client, f"/models/{MODEL}/versions/1")
    return bool(version["state"] == "waived")
