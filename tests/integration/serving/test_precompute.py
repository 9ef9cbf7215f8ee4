"""From a promotion or new rows to scores that replicas look up. Broker, database, store and job are real, not Ray."""

from uuid import uuid4

import httpx
import pytest
from deltalake import DeltaTable

from contracts.precompute import (
    PrecomputationCompleted,
    PrecomputationFailed,
    PrecomputationStarted,
    StartPrecomputation,
)
from everloop import storage
from services.serving.main import assemble
from services.serving.settings import ServingSettings
from tests.fakes.serving.cluster import InMemoryCluster
from tests.fixtures.waiting import eventually
from tests.integration.serving.precomputing import MODEL, Replica, Stage, process, stage

__all__ = ["stage"]


async def test_every_row_is_looked_up_with_the_score_it_gets_live(stage: Stage) -> None:
    world, replica = stage.world, Replica(stage.world)
    service = assemble(world.settings(ServingSettings), InMemoryCluster(), stage.jobs)
    async with world.running(service) as live, replica.running():
        await stage.register()
        await stage.ingest()
        await stage.promote(1)
        first = await stage.precomputed(1, 1)
        await eventually(lambda: replica.precomputed.id == first.precomputation_id)
        of_first = await replica.look_up(stage.rows)
        scores = await replica.predict(stage.rows)

        await stage.ingest()
        await stage.precomputed(1, 2)
        await stage.promote(2)
        last = await stage.precomputed(2, 2)
        await eventually(lambda: replica.precomputed.id == last.precomputation_id)
        of_last = await replica.look_up(stage.rows)

        async with httpx.AsyncClient(base_url=live.url, trust_env=False) as client:
            listed = (await client.get("/v1/precomputations", params={"pipeline": MODEL})).json()
            shown = (await client.get(f"/v1/precomputations/{last.precomputation_id}")).json()
            unknown = await client.get(f"/v1/precomputations/{uuid4()}")

    assert {(one["source"], one["version"], one["dataset_version"]) for one in of_first} == {("precomputed", 1, 1)}
    assert [one["score"] for one in of_first] == scores
    assert {(one["source"], one["version"], one["dataset_version"]) for one in of_last} == {("precomputed", 2, 2)}
    assert (first.rows, last.rows, last.keys, last.delta_version) == (20, 40, 40, 2)
    assert DeltaTable(last.table_uri, version=2).to_pyarrow_table().num_rows == 40
    assert [(one["version"], one["dataset_version"], one["state"]) for one in listed] == [
        (2, 2, "completed"),
        (1, 2, "completed"),
        (1, 1, "completed"),
    ]
    assert shown["lookup"]["digest"] == last.lookup_digest
    assert unknown.status_code == 404
    assert len(await world.said(PrecomputationStarted)) == 3


async def test_until_scores_are_ready_rows_are_answered_live(stage: Stage) -> None:
    world, replica = stage.world, Replica(stage.world)
    service = assemble(world.settings(ServingSettings), InMemoryCluster(), stage.jobs)
    async with world.running(service), replica.running():
        await stage.register()
        await stage.ingest()
        await stage.promote(1)
        await eventually(stage.running)

        (nothing,) = await replica.look_up(stage.rows[:1])
        before = await replica.look_up(stage.rows, with_rows=True)
        done = await stage.precomputed(1, 1)
        await eventually(lambda: replica.precomputed.id == done.precomputation_id)
        after = await replica.look_up(stage.rows, with_rows=True)

    assert nothing["reason"] == "not_precomputed"
    assert {one["source"] for one in before} == {"live"}
    assert {one["source"] for one in after} == {"precomputed"}
    assert [one["score"] for one in after] == [one["score"] for one in before]


async def test_a_person_asks_and_is_told_why_not(stage: Stage) -> None:
    world, replica = stage.world, Replica(stage.world)
    service = assemble(world.settings(ServingSettings), InMemoryCluster(), stage.jobs)
    async with world.running(service), replica.running():
        await world.publish(StartPrecomputation(pipeline=MODEL, requested_by="ada"))
        (refused,) = await eventually(lambda: world.said(PrecomputationFailed))
        await stage.register()
        await stage.ingest()
        await stage.promote(1)
        await stage.precomputed(1, 1)
        await world.publish(StartPrecomputation(pipeline=MODEL, requested_by="ada"), message_id="asked")

        async def again() -> bool:
            await stage.carry_out()
            return len(await world.said(PrecomputationCompleted)) == 2

        await eventually(again, within_s=40)
        last = (await world.envelopes(PrecomputationCompleted))[-1]

    assert refused.detail == "the pipeline declares no precompute, and no dataset is there, and no version answers"
    assert last.correlationid == "asked"


async def test_old_scores_are_deleted_and_had_again_by_going_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, replica = stage.world, Replica(stage.world)
    monkeypatch.setattr("services.serving.main.RETIRE_EVERY_S", 0.2)
    settings = world.settings(ServingSettings, keep_lookups_days=0)
    async with world.running(assemble(settings, InMemoryCluster(), stage.jobs)) as live, replica.running():
        await stage.register()
        await stage.ingest()
        done = []
        for version in (1, 2, 3):
            await stage.promote(version)
            done.append(await stage.precomputed(version, 1))
            await eventually(lambda: replica.precomputed.id == done[-1].precomputation_id)
        first, second, third = done
        await eventually(lambda: not storage.exists(first.lookup_uri))
        async with httpx.AsyncClient(base_url=live.url, trust_env=False) as client:
            shown = (await client.get(f"/v1/precomputations/{first.precomputation_id}")).json()

        await stage.promote(1)

        async def again() -> bool:
            await stage.carry_out()
            return replica.precomputed.id not in (None, second.precomputation_id, third.precomputation_id)

        await eventually(again, within_s=40)
        found = await replica.look_up(stage.rows)

    assert (shown["state"], shown["lookup"]) == ("deleted", None)
    assert {(one["source"], one["version"]) for one in found} == {("precomputed", 1)}
    assert storage.exists(third.lookup_uri)
    assert DeltaTable(third.table_uri).to_pyarrow_table().num_rows == 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    ["jobs.submit:after:1", "files.report:after:1"],
)
async def test_one_precomputation_whenever_the_service_is_killed(stage: Stage, place: str) -> None:
    world, replica = stage.world, Replica(stage.world)
    await stage.register()
    await stage.ingest()
    await stage.promote(1)
    async with replica.running():
        with process(world, place) as first:

            async def died() -> bool:
                await stage.carry_out()
                return first.poll() is not None

            await eventually(died, within_s=60)
            assert first.returncode == -9
        with process(world):
            done = await stage.precomputed(1, 1)
            await eventually(lambda: replica.precomputed.id == done.precomputation_id)
            found = await replica.look_up(stage.rows)

    assert len(stage.jobs.submissions()) == 1
    assert [len(await world.said(fact)) for fact in (PrecomputationStarted, PrecomputationCompleted)] == [1, 1]
    assert {one["source"] for one in found} == {"precomputed"}
