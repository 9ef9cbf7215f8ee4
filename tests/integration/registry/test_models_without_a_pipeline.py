"""Models that only MLflow's clients know, as Everloop's own commands and API show them and go back in them."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from contracts.registered_models import ModelAliasMoved, ModelVersionGatesWaived, WaiveModelVersionGates
from contracts.registry import ModelCommandRefused, RollBackModel
from everloop.cli.main import app
from services.registry.keys import key_of
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fixtures.mlflow import S3, Client, registry_of, said
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

NAME = "churn model"
KEY = key_of(NAME)


async def crown_two(world: World, client: Client) -> None:
    """Let one logged version be champion after another; a third is only there."""
    await client.create_registered_model(NAME, description="Who leaves?")
    for _ in range(3):
        await client.create_model_version(NAME, S3)
    for number in (1, 2):
        await world.publish(WaiveModelVersionGates(pipeline=KEY, version=number, waived_by="ada", reason="a trial"))
    await said(world, ModelVersionGatesWaived, 2)
    for number in (1, 2):
        await client.set_registered_model_alias(NAME, "champion", number)


async def test_they_are_listed_beside_pipelines(world: World) -> None:
    async with registry_of(world) as client, httpx.AsyncClient(base_url=f"{client.url}/v1") as http:
        await crown_two(world, client)
        await world.publish(pipeline_registered())
        await client.delete_model_version(NAME, 3)

        async def both() -> list[Any]:
            found: list[Any] = (await http.get("/models")).json()
            return found if len(found) > 1 else []

        pipeline, logged = await eventually(both)

        assert [(one["name"], one["kind"]) for one in (logged, pipeline)] == [(NAME, "logged"), (PIPELINE, "pipeline")]
        assert (logged["description"], logged["promotion"]) == ("Who leaves?", None)
        assert logged["aliases"] == {"champion": 2, "challenger": None, "previous": 1}
        assert pipeline["promotion"]["policy"] == "auto"
        assert (await http.get(f"/models/{NAME}")).json() == logged
        versions = (await http.get(f"/models/{NAME}/versions")).json()
        assert [(one["version"], one["state"], one["aliases"]) for one in versions] == [
            (2, "promoted", ["champion"]),
            (1, "promoted", ["previous"]),
        ]
        assert {one["bundle_uri"] for one in versions} == {None}
        moves = (await http.get(f"/models/{NAME}/aliases")).json()["history"]
        assert [(one["alias"], one["version"]) for one in moves] == [("champion", 1), ("champion", 2), ("previous", 1)]


async def test_an_earlier_champion_is_gone_back_to(world: World) -> None:
    async with registry_of(world) as client, httpx.AsyncClient(base_url=f"{client.url}/v1") as http:
        await crown_two(world, client)
        for number, rule in ((2, "already_champion"), (3, "never_champion"), (4, "model_version_not_found")):
            wish = RollBackModel(pipeline=KEY, to_version=number, requested_by="eve", reason="complaints")
            await world.publish(wish)
            assert (await said(world, ModelCommandRefused, number - 1))[-1].rule == rule

        answer = await http.post(f"/models/{NAME}/rollback", json={"by": "eve", "reason": "complaints"})
        moves = (await said(world, ModelAliasMoved, 5))[-2:]

        assert (answer.status_code, answer.json()["pipeline"]) == (202, KEY)
        assert [(move.alias, move.version, move.previous_version) for move in moves] == [
            ("champion", 1, 2),
            ("previous", 2, 1),
        ]
        assert {(move.moved_by, move.reason) for move in moves} == {("eve", "complaints")}
        assert (await client.get_model_version_by_alias(NAME, "champion")).version == "1"
        assert (await http.post("/models/other/rollback", json={"by": "eve", "reason": "why"})).status_code == 404


async def test_commands_know_them(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with registry_of(sqlite_world) as client:
        await crown_two(sqlite_world, client)
        monkeypatch.setenv("EVERLOOP_NATS_URL", sqlite_world.broker.url)
        for service in ("INGESTION", "TRAINING", "REGISTRY", "SERVING", "MONITORING"):
            monkeypatch.setenv(f"EVERLOOP_{service}_URL", client.url)

        async def shown(*words: str) -> str:
            done = await asyncio.to_thread(CliRunner().invoke, app, words)
            return done.stdout if done.exception is None else str(done.exception)

        (listed,) = json.loads(await shown("models", "--json"))
        assert (listed["name"], listed["kind"]) == (NAME, "logged")
        assert "logged" in await shown("models")
        assert [one["version"] for one in json.loads(await shown("models", NAME, "--json"))] == [3, 2, 1]
        back = await shown("rollback", NAME, "--reason", "complaints", "--by", "eve")
        assert back.splitlines()[0] == f"Version 1 of {KEY} is champion."
        assert "never champion" in await shown("rollback", NAME, "--to", "3", "--reason", "complaints")
