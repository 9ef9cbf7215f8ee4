"""The registry on a real broker and a real database: runs become versions, once, whatever happens in between."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from contracts.message import Message
from contracts.pipeline import AbsoluteGate, Policy
from contracts.registry import (
    ApproveModelVersion,
    ModelCommandRefused,
    ModelVersionAwaitingApproval,
    ModelVersionGatesEvaluated,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
    RollBackModel,
)
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

ABOVE_SIX = (AbsoluteGate(metric="auc", at_least=0.6),)


@asynccontextmanager
async def running(world: World, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the registry; gives a client of its HTTP side."""
    async with (
        world.running(build(world.settings(RegistrySettings, **more))) as live,
        httpx.AsyncClient(base_url=f"{live.url}/v1", timeout=20) as client,
    ):
        yield client


async def said(world: World, kind: type[Message], count: int = 1) -> list[Any]:
    """Wait until so many facts of one kind were said."""

    async def enough() -> list[Any]:
        found = await world.said(kind)
        return found if len(found) >= count else []

    return await eventually(enough)


async def test_run_becomes_a_version_and_champion(world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    async with running(world) as client:
        await world.publish(pipeline_registered())
        await world.publish(run, message_id="the-run")

        (promoted,) = await said(world, ModelVersionPromoted)

        assert (promoted.version, promoted.run_id) == (1, run.run_id)
        model = (await client.get(f"/models/{PIPELINE}")).json()
        assert model["aliases"] == {"champion": 1, "challenger": None, "previous": None}
        assert [listed["name"] for listed in (await client.get("/models")).json()] == [PIPELINE]
        version = (await client.get(f"/models/{PIPELINE}/versions/1")).json()
        assert version["state"] == "promoted"
        assert version["aliases"] == ["champion"]
        assert version["lineage"]["dataset"]["version"] == run.dataset_version
        assert version["decision"]["by"] == "policy:auto"
        assert [verdict["passed"] for verdict in version["verdicts"]] == [True, True]
        assert version["card"] == "card.md of run 1"
        assert version["metrics"] == {"auc": 0.71}
        for kind in (ModelVersionRegistered, ModelVersionGatesEvaluated, ModelVersionPromoted):
            (envelope,) = await world.envelopes(kind)
            assert (envelope.correlationid, envelope.causationid) == ("the-run", "the-run")


async def test_redelivered_run_registers_nothing(world: World, tmp_path: Path) -> None:
    first, second = leave_run(tmp_path, 1), leave_run(tmp_path, 2)
    async with running(world) as client:
        await world.publish(pipeline_registered(gates=ABOVE_SIX))
        for message_id in ("a", "a", "b"):
            await world.publish(first, message_id=message_id)
        await world.publish(second)

        await said(world, ModelVersionPromoted, 2)

        versions = (await client.get(f"/models/{PIPELINE}/versions")).json()
        assert [(version["version"], version["run_id"]) for version in versions] == [
            (2, str(second.run_id)),
            (1, str(first.run_id)),
        ]
        assert len(await world.said(ModelVersionRegistered)) == 2


async def test_bundle_with_a_changed_byte_is_refused(sqlite_world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    (Path(run.bundle_uri) / "model.onnx").write_bytes(b"another model")
    async with running(sqlite_world) as client:
        await sqlite_world.publish(pipeline_registered())
        await sqlite_world.publish(run)

        (refused,) = await said(sqlite_world, ModelVersionRejected)

        assert (refused.version, refused.rejected_by) == (None, "verification")
        assert "model.onnx" in refused.reason
        assert (await client.get(f"/models/{PIPELINE}/versions")).json() == []


async def test_bundle_that_arrives_late_is_registered(sqlite_world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    shutil.move(run.bundle_uri, tmp_path / "elsewhere")
    async with running(sqlite_world) as client:
        await sqlite_world.publish(pipeline_registered())
        await sqlite_world.publish(run)
        await eventually(lambda: _tried(sqlite_world, client))

        shutil.move(tmp_path / "elsewhere", run.bundle_uri)

        (promoted,) = await said(sqlite_world, ModelVersionPromoted)
        assert promoted.version == 1


async def _tried(world: World, client: httpx.AsyncClient) -> bool:
    """Whether the pipeline is known, so that what keeps the run waiting is its bundle alone."""
    return (await client.get(f"/models/{PIPELINE}")).status_code == 200


async def test_restarted_registry_goes_on_with_what_was_due(sqlite_world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    shutil.move(run.bundle_uri, tmp_path / "elsewhere")
    async with running(sqlite_world) as client:
        await sqlite_world.publish(pipeline_registered())
        await sqlite_world.publish(run)
        await eventually(lambda: _tried(sqlite_world, client))
    shutil.move(tmp_path / "elsewhere", run.bundle_uri)

    async with running(sqlite_world):
        (promoted,) = await said(sqlite_world, ModelVersionPromoted)

    assert promoted.version == 1


async def test_two_registries_at_once_register_every_run_once(world: World, tmp_path: Path) -> None:
    runs = [leave_run(tmp_path, number) for number in range(1, 9)]
    # The relay of one waits for that of the other before it stops.
    async with running(world) as client, running(world, drain_timeout_s=0.5):
        await world.publish(pipeline_registered(gates=ABOVE_SIX))
        await asyncio.gather(*(world.publish(run) for run in runs))

        await said(world, ModelVersionPromoted, len(runs))

        registered = await world.said(ModelVersionRegistered)
        assert sorted(fact.version for fact in registered) == list(range(1, len(runs) + 1))
        assert {fact.run_id for fact in registered} == {run.run_id for run in runs}
        promoted = await world.said(ModelVersionPromoted)
        assert len(promoted) == len(runs)
        moves = (await client.get(f"/models/{PIPELINE}/aliases")).json()
        champions = [move["version"] for move in moves["history"] if move["alias"] == "champion"]
        assert champions == [fact.version for fact in promoted]
        assert moves["champion"] == champions[-1]


async def test_person_approves_over_http_and_rolls_back_by_message(world: World, tmp_path: Path) -> None:
    async with running(world) as client:
        await world.publish(pipeline_registered(gates=ABOVE_SIX, policy=Policy.ASK))
        for number in (1, 2):
            await world.publish(leave_run(tmp_path, number))
        await said(world, ModelVersionAwaitingApproval, 2)

        for number in (1, 2):
            answer = await client.post(
                f"/models/{PIPELINE}/versions/{number}/approve", json={"by": "ada", "reason": "looks right"}
            )
            assert answer.status_code == 202
            assert answer.json() == {"command": ApproveModelVersion.subject, "pipeline": PIPELINE}
        await said(world, ModelVersionPromoted, 2)
        await world.publish_bytes(
            f"{RollBackModel.subject}.{PIPELINE}", b'{"requested_by": "eve", "reason": "complaints"}'
        )
        *_, back = await said(world, ModelVersionPromoted, 3)

        assert (back.version, back.kind.value, back.promoted_by) == (1, "rollback", "eve")
        aliases = (await client.get(f"/models/{PIPELINE}/aliases")).json()
        assert (aliases["champion"], aliases["previous"], aliases["challenger"]) == (1, 2, None)
        last = aliases["history"][-1]
        assert (last["by"], last["reason"]) == ("eve", "complaints")


async def test_wish_that_breaks_a_rule_is_answered(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await sqlite_world.publish(pipeline_registered())
        await sqlite_world.publish(leave_run(tmp_path))
        await said(sqlite_world, ModelVersionPromoted)

        wish = {"by": "bob", "reason": "wrong holiday"}
        assert (await client.post(f"/models/{PIPELINE}/versions/1/reject", json=wish)).status_code == 202
        assert (await client.post(f"/models/{PIPELINE}/rollback", json={**wish, "to_version": 1})).status_code == 202

        refusals = await said(sqlite_world, ModelCommandRefused, 2)
        assert {refusal.rule for refusal in refusals} == {"not_awaiting_approval", "already_champion"}


async def test_what_is_not_there_is_a_problem(sqlite_world: World) -> None:
    async with running(sqlite_world) as client:
        await sqlite_world.publish(pipeline_registered())
        await eventually(lambda: _tried(sqlite_world, client))
        wish = {"by": "ada", "reason": "looks right"}

        answers = [
            await client.get("/models/other"),
            await client.get("/models/other/versions"),
            await client.get("/models/other/aliases"),
            await client.get(f"/models/{PIPELINE}/versions/7"),
            await client.post(f"/models/{PIPELINE}/versions/7/approve", json=wish),
        ]
        nameless = await client.post(f"/models/{PIPELINE}/rollback", json={"reason": "complaints"})

        assert [answer.status_code for answer in answers] == [404] * 5
        assert nameless.status_code == 422
        assert {answer.headers["content-type"] for answer in [*answers, nameless]} == {"application/problem+json"}
