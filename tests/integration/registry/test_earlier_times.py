"""The registry as it was at some time, and as it would be under other gates."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from contracts.message import utc_now
from contracts.registered_models import ModelVersionGatesWaived, WaiveModelVersionGates
from everloop.cli.main import app
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fixtures.mlflow import S3, registry_of, said
from tests.fixtures.services import World
from tests.integration.registry.lived import live_a_life, rebuilt, running


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
        await client.create_registered_model("churn")
        history = (await http.get("/models/churn/aliases")).json()["history"]

    assert before == [
        [None, 1, None, None, 2, None],
        [[(1, "waived")], [(1, "promoted")], [], [(2, "waived")], [(2, "promoted")], []],
        [1, 1, 1, 1, 1, 0],
    ]
    assert [(move["alias"], move["version"], move["by"]) for move in history] == [
        ("champion", number, "mlflow") for number in (1, None, 2, None)
    ]
    assert history[1]["reason"] == "the model was deleted"
    done = await rebuilt(world, replace=True)
    assert done.before is not None
    assert done.before.state == done.state
    async with registry_of(world) as client, httpx.AsyncClient(base_url=f"{client.url}/v1") as http:
        assert (await seen(http))[:2] == before[:2]


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
