"""`everloop registry rebuild` on a platform that is down: its broker is started for the while, and nothing is lost."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from contracts.pipeline import AbsoluteGate
from everloop.cli.main import app
from everloop.platform.broker import broker_alone
from everloop.platform.home import Home, locked
from services.chassis.bus import connect
from services.chassis.speech import say
from services.chassis.streams import reconcile_streams
from services.chassis.telemetry import Telemetry
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.waiting import eventually

GATES = (AbsoluteGate(metric="auc", at_least=0.6),)


async def live(home: Home) -> str:
    """Promote a version; gives the digest of the registry's state."""
    home.make()
    telemetry = Telemetry("test")
    async with broker_alone(home) as url, connect(url, name="test") as bus:
        await reconcile_streams(bus)
        for event in (pipeline_registered(gates=GATES), leave_run(home.store)):
            await say(bus, event, source="training", telemetry=telemetry)
        service = build(RegistrySettings(home=home.root, nats_url=url))
        async with service.running() as running, httpx.AsyncClient(base_url=f"{running.url}/v1") as client:

            async def has_a_champion() -> bool:
                answer = await client.get(f"/models/{PIPELINE}")
                return answer.is_success and answer.json()["aliases"]["champion"] == 1

            await eventually(has_a_champion)
            digest: str = (await client.get("/state")).json()["digest"]
            return digest


def test_platform_that_is_down_gets_its_registry_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("EVERLOOP_HOME", str(home.root))
    digest = asyncio.run(live(home))
    words = ["registry", "rebuild", "--home", str(home.root)]

    with locked(home):
        while_up = CliRunner().invoke(app, words)
    unasked = CliRunner().invoke(app, words)
    (home.root / "db" / "registry.sqlite").unlink()
    done = CliRunner().invoke(app, [*words, "--json"])
    again = CliRunner().invoke(app, [*words, "--replace"])

    assert "everloop down" in str(while_up.exception)
    assert "--replace" in str(unasked.exception)
    assert json.loads(done.stdout)["digest"] == digest
    assert digest in again.stdout
    assert "Equal to what was there" in again.stdout
    assert len(list((home.root / "db").glob("registry.sqlite.2*"))) == 1
