"""Monitoring with a real broker and a real database: predictions and labels in, facts and answers out."""

from pathlib import Path

import httpx

from contracts.monitoring import DriftDetected, GroundTruthRecorded, QualityDegraded
from everloop import storage
from services.chassis.service import Live
from services.monitoring.main import build
from services.monitoring.settings import MonitoringSettings
from tests.fakes.monitoring import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.monitoring.bundles import write_bundle


async def watch(world: World, folder: Path) -> None:
    uri, digest = write_bundle(folder, examples.reference())
    await world.publish(examples.pipeline_registered())
    await world.publish(examples.rollout_completed(uri=uri, bundle_digest=digest))


async def ask(live: Live, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=30) as client:
        return await client.get(path)


async def test_predictions_and_labels_lead_to_facts(world: World, tmp_path: Path) -> None:
    batch = examples.hour(0, shift=2)
    async with world.running(build(world.settings(MonitoringSettings))) as live:
        await world.publish(examples.served(batch, examples.hour(1, rows=1)))
        await world.publish(examples.truth(batch, inverted=True))
        await watch(world, tmp_path / "bundle")

        (drift,) = await eventually(lambda: world.said(DriftDetected), within_s=60)
        (quality,) = await eventually(lambda: world.said(QualityDegraded), within_s=60)
        monitor = (await ask(live, f"/v1/monitors/{examples.PIPELINE}")).json()
        windows = (await ask(live, f"/v1/monitors/{examples.PIPELINE}/windows?version=1")).json()
        newest = await ask(live, f"/v1/monitors/{examples.PIPELINE}/versions/1/predictions?limit=1")
        assert len(newest.json()) == 1
        unknown = await ask(live, f"/v1/monitors/{examples.PIPELINE}/versions/9/predictions")
        assert unknown.status_code == 404
        no_windows = (await ask(live, f"/v1/monitors/{examples.PIPELINE}/windows?version=2")).json()
        prediction = (await ask(live, "/v1/predictions/p0-3")).json()

    assert (drift.version, drift.rows, drift.shifts[0].feature) == (1, 200, "amount")
    assert (quality.labelled, quality.predictions) == (200, 200)
    assert monitor["labels_joined"] == 200
    assert [version["version"] for version in monitor["versions"]] == [1]
    assert monitor["versions"][0]["last_quality"]["quality"]["outcome"] == "degraded"
    assert [(window["predictions"], window["state"]) for window in windows] == [(200, "judged"), (1, "open")]
    assert windows[0]["told"] == ["broken_fault", "broken_input", "input", "quality"]
    assert sum(windows[0]["counts"]["amount"]) == 200
    assert no_windows == []
    assert prediction["version"] == 1
    assert prediction["inputs"]["amount"] == batch.inputs["amount"][3]
    assert prediction["traceparent"] == batch.traceparent
    assert prediction["label"]["value"] in (0, 1)


async def test_labels_come_in_over_http(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    batch = examples.hour(0, rows=10)
    labels = [truth.model_dump(mode="json") for truth in examples.truth(batch).labels]
    async with (
        world.running(build(world.settings(MonitoringSettings))) as live,
        httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=30) as client,
    ):
        unknown = await client.post(f"/v1/ground-truth/{examples.PIPELINE}", json={"labels": labels})
        await watch(world, tmp_path / "bundle")
        await world.publish(examples.served(batch))
        await eventually(lambda: _is_known(live, "p0-9"), within_s=60)

        accepted = await client.post(f"/v1/ground-truth/{examples.PIPELINE}", json={"labels": labels})
        empty = await client.post(f"/v1/ground-truth/{examples.PIPELINE}", json={"labels": []})
        (fact,) = await eventually(lambda: world.said(GroundTruthRecorded), within_s=60)

    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:everloop:problem:pipeline_not_found")
    assert (accepted.status_code, accepted.json()) == (202, {"pipeline": examples.PIPELINE, "labels": 10})
    assert empty.status_code == 422
    assert (fact.matched, fact.parked, fact.total) == (10, 0, 10)


async def _is_known(live: Live, prediction_id: str) -> bool:
    return (await ask(live, f"/v1/predictions/{prediction_id}")).is_success


async def test_what_is_not_there_is_not_found(sqlite_world: World) -> None:
    async with sqlite_world.running(build(sqlite_world.settings(MonitoringSettings))) as live:
        answers = [await ask(live, path) for path in ("/v1/monitors/x", "/v1/monitors/x/windows", "/v1/predictions/x")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert answers[2].headers["content-type"] == "application/problem+json"


async def test_a_bundle_that_was_tampered_with_is_not_watched(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    uri, digest = write_bundle(tmp_path / "bundle", examples.reference())
    storage.write_bytes(storage.join(uri, "reference.json"), b"{}")
    async with world.running(build(world.settings(MonitoringSettings))):
        await world.publish(examples.pipeline_registered())
        await world.publish(examples.rollout_completed(uri=uri, bundle_digest=digest))

        (letter,) = await eventually(world.dead_letters, within_s=60)

    assert letter.reason == "bundle_digest_mismatch"
