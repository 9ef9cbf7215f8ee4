"""Versions on their way to the traffic, on a real Ray and broker."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contracts.precompute import PrecomputationCompleted
from contracts.rollout import Canary, Rollout
from contracts.serving import PredictionsServed, RolloutCompleted, RolloutRolledBack, RolloutStarted
from tests.fixtures.bundles import STEP
from tests.fixtures.waiting import eventually
from tests.integration.serving import known_rows
from tests.integration.serving.asked import (
    answered,
    ask_as_triton,
    get,
    is_ready,
    is_replaced,
    kill_process,
    load,
    other_replica,
    replica_pid,
    started,
    times,
)
from tests.integration.serving.stage import LOOK_EVERY_S, MODEL, Stage, request, version_of

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SECOND = timedelta(seconds=1)
STEPWISE = Rollout(steps=(Canary(share=0.5, bake=SECOND, min_requests=20),), bake=SECOND, timeout_s=120)


async def test_promoted_version_answers_and_says_so(stage: Stage) -> None:
    async with stage.serving() as world:
        version = await world.deployed()

        answer = await world.infer([1.0, 2.0], id="mine")
        over_bus = await world.world.bus.request(
            f"inference.{MODEL}", json.dumps(request([1.0, 2.0])).encode(), headers={}, timeout_s=5
        )
        deployment = (await get(f"{world.api_url}/v1/deployments/{MODEL}")).json()
        rollout = (await get(f"{world.api_url}/v1/rollouts")).json()[0]

    assert version_of(answer.json()) == version
    assert answer.json()["id"] == "mine"
    assert json.loads(over_bus.body)["outputs"][0] == answer.json()["outputs"][0]
    assert answer.headers["everloop-model-version"] == str(version)
    assert deployment["answering"]["version"] == version
    assert deployment["answering"]["reason"] == "all gates passed"
    assert deployment["url"] == stage.url
    assert rollout["state"] == "completed"


async def test_server_speaks_the_protocol_beside_its_models(stage: Stage) -> None:
    server = f"http://127.0.0.1:{stage.ray_head.serve_port}/v2"
    async with stage.serving() as world:
        version = await world.deployed()

        assert (await get(f"{server}/health/live")).json() == {"live": True}
        await eventually(lambda: is_ready(server), every_s=LOOK_EVERY_S)
        assert (await get(server)).json()["name"] == "everloop"
        assert (await get(stage.url)).json()["name"] == MODEL
        assert (await get(f"{stage.url}/ready")).json() == {"name": MODEL, "ready": True}
        assert (await get(f"{stage.url}/versions/{version}/ready")).json()["ready"]
        assert (await get(f"{stage.url}/versions/999")).status_code == 404
        unknown = await get(f"{server}/models/{MODEL}x/ready")

    assert (unknown.status_code, unknown.json()) == (404, {"error": f"no model '{MODEL}x' is served here"})


async def test_people_and_tritons_client_are_answered_through_the_front(stage: Stage) -> None:
    front = f"http://127.0.0.1:{stage.ray_head.serve_port}/v1/models"
    async with stage.serving() as world:
        version = await world.deployed()
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            listed = await http.get(front)
            described = await http.get(f"{front}/{MODEL}")
            scored = await http.post(f"{front}/{MODEL}/predict", json={"x": 1.5, "carrier": "UA"})
            lacking = await http.post(f"{front}/{MODEL}/versions/{version}/predict?explain=false", json=[{"x": 1.5}])
            unknown = await http.post(f"{front}/{MODEL}x/predict", json=[{"x": 1.5}])
        binary = await asyncio.to_thread(ask_as_triton, f"127.0.0.1:{stage.ray_head.serve_port}")

    assert {"model": MODEL, "version": version} in listed.json()["models"]
    assert described.json()["row"]["required"] == ["x", "carrier"]
    assert scored.json()["predictions"][0]["score"] == 1.5 + version * STEP
    assert (lacking.status_code, lacking.json()["detail"]) == (400, "row 0 lacks 'carrier', which is not nullable")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    assert binary == [1.5 + version * STEP]


async def test_front_is_closed_to_other_machines(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.deployed()

        listening = stage.ray_head.listening()

    assert f"127.0.0.1:{stage.ray_head.serve_port}" in listening["haproxy"]
    assert [one for one in listening["haproxy"] if not one.startswith("127.0.0.1:")] == []


async def test_versions_change_under_load_without_a_failed_request(stage: Stage) -> None:
    async with stage.serving() as world:
        first = await world.deployed()
        with load(stage.url) as answers:
            for _ in range(3):
                last = await world.deployed()
            answered = len(answers)
            await eventually(lambda: len(answers) > answered + 50)

    assert [answer.status_code for answer in answers if answer.status_code != 200] == []
    versions = [version_of(answer.json()) for answer in answers]
    assert set(versions) == set(range(first, last + 1))


async def test_bundle_with_a_wrong_digest_gets_no_traffic(stage: Stage) -> None:
    async with stage.serving() as world:
        good = await world.deployed()
        bad = next(stage.numbers)
        uri, _ = stage.bundles.write(bad)
        await world.promote(bad, (uri, f"sha256:{'1' * 64}"))

        fact = await world.rolled_back(bad)

        assert "digest mismatch" in fact.reason
        assert fact.serving_version == good
        assert await world.answering() == good


async def test_version_with_other_golden_answers_gets_no_traffic(stage: Stage) -> None:
    async with stage.serving() as world:
        good = await world.deployed()
        bad = next(stage.numbers)
        await world.promote(bad, stage.bundles.write(bad, golden_error=0.5))

        fact = await world.rolled_back(bad)

        assert "golden mismatch" in fact.reason
        assert fact.serving_version == good
        assert await world.answering() == good


async def test_killed_replica_comes_back_with_the_version_that_should_answer(stage: Stage) -> None:
    async with stage.serving() as world:
        version = await world.deployed()
    # Without the service: a replica reads what it shall do from the board.
    async with stage.world() as world:
        killed = await replica_pid(stage)

        kill_process(killed)

        await eventually(lambda: other_replica(stage, killed), within_s=60, every_s=LOOK_EVERY_S)
        assert await eventually(world.answering, within_s=60, every_s=LOOK_EVERY_S) == version


async def test_predictions_arrive_in_the_log_with_the_ids_that_were_answered(stage: Stage) -> None:
    async with stage.serving() as world:
        version = await world.deployed()
        answer = (await world.infer([5.0, 6.0], inputs=[*request([5.0, 6.0])["inputs"], times(2)])).json()
        ids = answer["outputs"][1]["data"]

        async def logged() -> list[Any]:
            batches = [batch for said in await world.world.said(PredictionsServed) for batch in said.batches]
            return [batch for batch in batches if ids[0] in batch.prediction_ids]

        (batch,) = await eventually(logged)

    assert batch.version == version
    assert list(batch.prediction_ids) == ids
    assert batch.scores == tuple(answer["outputs"][0]["data"])
    assert batch.inputs == {"x": (5.0, 6.0), "stops": (None, None), "carrier": ("UA", "UA")}
    assert [time.isoformat() for time in batch.event_times] == ["2013-01-01T05:15:00+00:00"] * 2


async def test_replica_that_is_replaced_leaves_no_prediction_behind(stage: Stage) -> None:
    async with stage.serving(log_flush_s=600) as world:
        version = await world.deployed()
        await eventually(lambda: is_replaced(stage, log_flush_s=600), within_s=150, every_s=LOOK_EVERY_S)
        answer = await eventually(lambda: answered(world, version), within_s=60, every_s=LOOK_EVERY_S)
        ids = answer["outputs"][1]["data"]

    async with stage.serving() as world:

        async def logged() -> bool:
            said = await world.world.said(PredictionsServed)
            return any(ids[0] in batch.prediction_ids for message in said for batch in message.batches)

        await eventually(logged, within_s=150)
        await eventually(lambda: is_replaced(stage, log_flush_s=0.1), within_s=150, every_s=LOOK_EVERY_S)


async def test_service_killed_between_promotion_and_traffic_finishes_one_rollout(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.deployed()
    async with stage.world() as world:
        version = next(stage.numbers)
        await world.promote(version)
        for _ in range(2):
            process = stage.process()
            await eventually(lambda: started(world, version), within_s=30)
            process.kill()
            process.wait()
        async with stage.serving():
            await world.completed(version)

        assert len([one for one in await world.world.said(RolloutStarted) if one.version == version]) == 1
        assert len([one for one in await world.world.said(RolloutCompleted) if one.version == version]) == 1
        assert await world.answering() == version


async def test_rollout_outlives_the_broker(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.deployed()
        version = next(stage.numbers)
        await world.promote(version)

        stage.broker.kill()
        stage.broker.start()

        await world.completed(version)
        assert await world.answering() == version


async def test_ray_killed_in_a_rollout_comes_back_and_the_rollout_goes_on(stage: Stage) -> None:
    async with stage.serving() as world:
        await world.deployed()
        version = next(stage.numbers)

        stage.ray_head.kill()
        await world.promote(version)
        stage.ray_head.start()

        await world.completed(version, within_s=120)
        assert await eventually(world.answering, within_s=60, every_s=LOOK_EVERY_S) == version


async def test_ray_killed_in_every_step_comes_back_and_the_rollout_goes_on(stage: Stage) -> None:
    async with stage.serving() as world:
        before = await world.deployed()
        await world.register(STEPWISE)
        version = next(stage.numbers)
        with load(stage.url, clients=1, outages=True) as answers:
            await world.promote(version)
            for step in range(2):
                await world.stepped(version, step)
                stage.ray_head.kill()
                stage.ray_head.start()
            completed = await world.completed(version)
        seen = {version_of(one.json()) for one in answers if one.is_success}

        assert completed.previous_version == before
        assert seen == {before, version}
        assert await eventually(world.answering, within_s=60, every_s=LOOK_EVERY_S) == version
        assert version not in {one.version for one in await world.world.said(RolloutRolledBack)}


async def test_a_job_on_ray_makes_the_scores_that_the_front_looks_up(stage: Stage) -> None:
    rows = known_rows.rows(0, 50)
    async with stage.serving() as world:
        await world.world.publish(known_rows.registered())
        await world.world.publish(known_rows.ingest(str(stage.home / "lake"), rows))
        version = await world.deployed()
        (done,) = await eventually(lambda: world.world.said(PrecomputationCompleted), within_s=120)

        async def looked_up() -> list[dict[str, Any]] | None:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
                asked = {"keys": [known_rows.key(row) for row in rows]}
                answers = (await client.post(f"{stage.url}/v1/lookup", json=asked)).json()["answers"]
            return answers if answers[0]["source"] else None

        found = await eventually(looked_up)

    assert (done.version, done.rows, done.keys) == (version, 50, 50)
    assert {(one["source"], one["version"]) for one in found} == {("precomputed", version)}
    assert [one["score"] for one in found] == [row["x"] + version * STEP for row in rows]
