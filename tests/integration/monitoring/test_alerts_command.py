"""`everloop alerts`, as a person types it."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from contracts.alerts import AlertRaised, AlertResolved, AlertSnoozed
from contracts.monitoring import QualityDegraded
from everloop.cli.main import app
from services.monitoring.main import build
from services.monitoring.settings import MonitoringSettings
from tests.contracts import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

DEGRADED = next(one for one in examples.every_message() if isinstance(one, QualityDegraded))


async def test_by_hand(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world

    async def alerts(*words: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["alerts", *words])
        return done.stdout if done.exit_code == 0 else str(done.exception or done.output)

    async with world.running(build(world.settings(MonitoringSettings))) as live:
        monkeypatch.setenv("EVERLOOP_NATS_URL", world.broker.url)
        for service in ("ingestion", "training", "registry", "serving", "monitoring"):
            monkeypatch.setenv(f"EVERLOOP_{service.upper()}_URL", live.url)
        assert "No open alerts." in await alerts()
        await world.publish(DEGRADED, message_id="m-1")
        (raised,) = await eventually(lambda: world.said(AlertRaised), within_s=60)
        short = str(raised.alert_id)[:8]

        listed = await alerts()
        assert all(words in listed for words in (short, "critical", "flight_delays 2 answers worse", "open"))
        assert "No open alerts." in await alerts("--pipeline", "other")
        shown = await alerts("show", short)
        assert all(words in shown for words in ("how sure", "0.59 to 0.63", "everloop monitor flight_delays", "open"))

        assert "no length of time" in await alerts("snooze", short, "--for", "long", "--reason", "x")
        snoozed = await alerts("snooze", short, "--for", "2d", "--reason", "a strike", "--by", "ada")
        assert f"{short} is snoozed until" in snoozed
        assert "by ada: a strike" in await alerts()
        resolved = await alerts("resolve", short, "--reason", "rolled back", "--by", "ada")
        assert resolved.strip() == f"{short} is resolved by ada: rolled back."
        assert "alert is over" in await alerts("resolve", short, "--reason", "again")
        assert "no alerts begin with ffff" in await alerts("resolve", "ffff", "--reason", "x")

        assert "No open alerts." in await alerts()
        (one,) = json.loads(await alerts("--all", "--json"))
        (snooze,) = await eventually(lambda: world.said(AlertSnoozed))
        (over,) = await eventually(lambda: world.said(AlertResolved))

    assert (one["alert_id"], one["is_open"], one["resolved_by"]) == (str(raised.alert_id), False, "ada")
    assert (snooze.snoozed_by, snooze.reason) == ("ada", "a strike")
    assert (over.resolved_by, over.reason) == ("ada", "rolled back")
