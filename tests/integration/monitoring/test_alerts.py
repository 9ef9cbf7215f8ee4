"""Alerts with a real broker, a real database and real receivers."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.alerts import AlertRaised, AlertResolved, AlertSnoozed, AlertUndelivered
from contracts.message import utc_now
from contracts.monitoring import QualityDegraded
from contracts.registry import ModelVersionPromoted
from services.chassis.service import Live
from services.monitoring.main import build
from services.monitoring.settings import MonitoringSettings
from tests.contracts import examples
from tests.fixtures.receivers import Receiver, Request, mail_server, receiver
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PASSWORD = "hunter2"
SOON = {"alert_first_retry_s": 0.05, "alert_longest_retry_s": 0.05}
FACTS = {type(message): message for message in examples.every_message()}
DEGRADED, PROMOTED = FACTS[QualityDegraded], FACTS[ModelVersionPromoted].model_copy(update={"version": 3})


def webhook(url: str) -> dict[str, Any]:
    return {"type": "webhook", "url": url, "secret": SECRET}


def checked(request: Request) -> dict[str, Any]:
    """Check the signature as a receiver does, and read the body."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    read: dict[str, Any] = json.loads(request.body)
    return read


async def ask(live: Live, method: str, path: str, **options: Any) -> Any:
    async with httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=30) as client:
        return await client.request(method, f"/v1{path}", **options)


async def test_an_alert_is_told_kept_and_resolved(world: World) -> None:
    async with receiver(500, 204) as hook, receiver() as slack:
        channels = {"oncall": webhook(hook.url), "team": {"type": "slack", "url": slack.url}}
        async with world.running(build(world.settings(MonitoringSettings, channels=channels, **SOON))) as live:
            await world.publish(DEGRADED, message_id="m-1")
            await world.publish(DEGRADED, message_id="m-2")
            await eventually(lambda: len(hook.requests) == 2 and slack.requests, within_s=60)
            await eventually(lambda: _raised(world, 2))
            (alert,) = (await ask(live, "GET", "/alerts")).json()
            path = f"/alerts/{alert['alert_id']}"
            wish = {"by": "ada", "reason": "a strike", "until": (utc_now() + timedelta(days=1)).isoformat()}
            snoozed = (await ask(live, "POST", f"{path}/snooze", json=wish)).json()
            far = await ask(live, "POST", f"{path}/snooze", json={**wish, "until": "9999-12-31T23:59:59-10:00"})
            nul = await ask(live, "POST", f"{path}/snooze", json={**wish, "by": "a\0"})
            await world.publish(PROMOTED)
            await eventually(lambda: len(hook.requests) == 3 and len(slack.requests) == 2, within_s=60)
            again = await ask(live, "POST", f"{path}/resolve", json={"by": "ada", "reason": "x"})
            (whole,) = [(await ask(live, "GET", path)).json()]
            open_ones, everything = [(await ask(live, "GET", f"/alerts{q}")).json() for q in ("", "?resolved=true")]
            unknown = await ask(live, "GET", f"/alerts/{examples.RUN}")
            (over,) = await eventually(lambda: world.said(AlertResolved))

    first, second, last = hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] != last.headers["webhook-id"]
    assert first.body == second.body
    assert [checked(one)["type"] for one in hook.requests] == ["alert.raised", "alert.raised", "alert.resolved"]
    assert "auc 0.61" in json.loads(slack.requests[0].body)["text"]
    assert (alert["occurrences"], alert["is_open"]) == (2, True)
    assert alert["title"] == checked(first)["data"]["title"]
    assert snoozed["snoozed_by"] == "ada"
    assert (over.resolved_by, over.reason) == ("monitoring", "version 3 is champion")
    assert len(await world.said(AlertSnoozed)) == 1
    assert (again.status_code, again.json()["type"]) == (409, "urn:everloop:problem:alert_is_over")
    assert [one.status_code for one in (unknown, far, nul)] == [404, 422, 422]
    assert (open_ones, len(everything)) == ([], 1)
    assert [one["state"] for one in whole["deliveries"]] == ["delivered"] * 4


async def test_what_no_channel_takes_is_given_up_and_no_secret_shows(
    sqlite_world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world = sqlite_world
    async with receiver(302) as hook:
        settings = world.settings(MonitoringSettings, channels={"oncall": webhook(hook.url)}, alert_attempts=2, **SOON)
        async with world.running(build(settings)) as live:
            await world.publish(DEGRADED)
            (fact,) = await eventually(lambda: world.said(AlertUndelivered), within_s=60)
            (alert,) = (await ask(live, "GET", "/alerts")).json()
            whole = await ask(live, "GET", f"/alerts/{alert['alert_id']}")

    assert (fact.channel, fact.attempts) == ("oncall", 2)
    assert fact.detail == "HTTP 302; redirects are not followed"
    assert {request.path for request in hook.requests} == {"/T0KEN"}
    assert whole.json()["deliveries"][0]["state"] == "dead"
    printed = capfd.readouterr()
    said = [
        envelope.model_dump_json() for kind in (AlertRaised, AlertUndelivered) for envelope in await _all(world, kind)
    ]
    for text in (printed.out, printed.err, caplog.text, whole.text, *said):
        assert "T0KEN" not in text
        assert SECRET not in text
        assert SECRET.removeprefix("whsec_") not in text


async def test_people_get_a_letter_over_tls(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    async with mail_server(tmp_path / "mail", password=PASSWORD) as server:
        channel = {
            "type": "email",
            "host": "127.0.0.1",
            "port": server.port,
            "ca_file": server.ca_file,
            "username": "everloop",
            "sender": "everloop@example.org",
            "recipients": ["ada@example.org"],
        }
        channels = {"right": {**channel, "password": PASSWORD}, "wrong": {**channel, "password": "T0KEN"}}
        settings = world.settings(MonitoringSettings, channels=channels, alert_attempts=1)
        async with world.running(build(settings)):
            await world.publish(DEGRADED)
            (letter,) = await eventually(lambda: server.mailbox.letters, within_s=60)
            (fact,) = await eventually(lambda: world.said(AlertUndelivered), within_s=60)

    assert "[critical] flight_delays 2 answers worse than it was tested" in " ".join(letter.split())
    assert "everloop monitor flight_delays --version 2" in letter
    assert (fact.channel, fact.detail) == ("wrong", "the mail server answered 535")


async def test_an_untrusted_mail_server_is_told_nothing(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    async with mail_server(tmp_path / "mail", password=PASSWORD) as server:
        channel = {
            "type": "email",
            "host": "127.0.0.1",
            "port": server.port,
            "sender": "everloop@example.org",
            "recipients": ["ada@example.org"],
        }
        settings = world.settings(MonitoringSettings, channels={"mail": channel}, alert_attempts=1)
        async with world.running(build(settings)):
            await world.publish(DEGRADED)
            (fact,) = await eventually(lambda: world.said(AlertUndelivered), within_s=60)

    assert fact.detail == "no mail server: SSLCertVerificationError"
    assert server.mailbox.letters == []


async def test_killed_between_sending_and_noting_it_sends_again_under_the_same_id(sqlite_world: World) -> None:
    world = sqlite_world
    world.home.mkdir(parents=True, exist_ok=True)
    async with receiver() as hook:
        hook.answering.clear()
        with process(world, hook) as running:
            await world.publish(DEGRADED)
            await eventually(lambda: hook.requests, within_s=60)
            running.kill()
            running.wait()
        hook.answering.set()
        with process(world, hook):
            await eventually(lambda: len(hook.requests) == 2, within_s=60)
            await eventually(lambda: _raised(world, 1))

    first, second = hook.requests
    assert checked(first) == checked(second)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert await world.dead_letters() == []


@contextmanager
def process(world: World, hook: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "EVERLOOP_HOME": str(world.home),
        "EVERLOOP_NATS_URL": world.broker.url,
        "EVERLOOP_MONITORING_CHANNELS": json.dumps({"oncall": {**webhook(hook.url), "timeout_s": 60}}),
    }
    with (world.home / "log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "services.monitoring.main"], env=environment, stdout=log, stderr=log
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def _raised(world: World, times: int) -> bool:
    return len(await world.said(AlertRaised)) == times


async def _all(world: World, kind: Any) -> list[Any]:
    return await world.envelopes(kind)
