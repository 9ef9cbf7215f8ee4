"""A lost database comes back from the log."""

from pathlib import Path

import pytest

from contracts.registry import ModelVersionApprovalGiven, ModelVersionAwaitingApproval, ModelVersionPromoted
from services.chassis.errors import RejectedError
from services.registry.past import rebuilding
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import said
from tests.fixtures.services import World
from tests.integration.registry.lived import ABOVE_SIX, live_a_life, rebuilt, running

WHY = ("model.onnx", "version not found")


async def test_lost_database_comes_back_from_the_log(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "LOCK_WAIT_S", 0.3)
    async with running(world) as client:
        await live_a_life(world, client, tmp_path)
        state = (await client.get("/state")).json()
        with pytest.raises(RejectedError, match="registry running"):
            await rebuilt(world, replace=True)

    first = await rebuilt(world, replace=True)
    async with running(world) as client:
        again = (await client.get("/state")).json()
        await world.publish(leave_run(tmp_path, 5))
        await said(world, ModelVersionAwaitingApproval, 4)
        versions = (await client.get(f"/models/{PIPELINE}/versions")).json()

    assert first.state.digest == state["digest"] == again["digest"]
    assert first.before is not None
    assert first.before.state == first.state
    assert first.set_aside is not None
    # What was decided stays decided, numbers go on, and nothing is registered twice.
    assert [(each["version"], each["state"]) for each in versions] == [
        (5, "awaiting_approval"),
        (4, "rejected"),
        (3, "rejected"),
        (2, "promoted"),
        (1, "promoted"),
    ]
    assert len(await world.said(ModelVersionApprovalGiven)) == 2


async def test_nothing_is_overwritten_unasked(sqlite_world: World, tmp_path: Path) -> None:
    file = sqlite_world.home / "db" / "registry.sqlite"
    async with running(sqlite_world):
        await sqlite_world.publish(pipeline_registered(gates=ABOVE_SIX))
        await sqlite_world.publish(leave_run(tmp_path))
        await said(sqlite_world, ModelVersionPromoted)

    with pytest.raises(RejectedError, match="database not empty"):
        await rebuilt(sqlite_world)

    file.unlink()
    assert (await rebuilt(sqlite_world)).set_aside is None
    file.write_bytes(b"no database")
    done = await rebuilt(sqlite_world, replace=True)
    assert done.before is not None
    assert done.before.state is None
    assert done.set_aside is not None
    assert file.with_name(done.set_aside.rpartition("/")[2]).read_bytes() == b"no database"


async def test_changed_bundle_is_not_taken_for_what_it_was(sqlite_world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    async with running(sqlite_world):
        await sqlite_world.publish(pipeline_registered(gates=ABOVE_SIX))
        await sqlite_world.publish(run)
        await said(sqlite_world, ModelVersionPromoted)
    (Path(run.bundle_uri) / "model.onnx").write_bytes(b"another model")
    file = sqlite_world.home / "db" / "registry.sqlite"
    before = file.read_bytes()

    with pytest.raises(RejectedError, match=r"model\.onnx"):
        await rebuilt(sqlite_world, replace=True)

    assert file.read_bytes() == before
    done = await rebuilt(sqlite_world, replace=True, partly=True)
    assert [
        (one.type.rpartition(".version.")[2], why in one.why) for one, why in zip(done.left_out, WHY, strict=True)
    ] == [
        ("gates_evaluated.v1", True),
        ("promoted.v1", True),
    ]


async def test_what_others_put_on_the_registrys_subjects_is_no_fact(sqlite_world: World, tmp_path: Path) -> None:
    async with running(sqlite_world) as client:
        await live_a_life(sqlite_world, client, tmp_path)
        state = (await client.get("/state")).json()
        (honest, *_) = await sqlite_world.said(ModelVersionPromoted)
        await sqlite_world.publish(honest.model_copy(update={"version": 4, "promoted_by": "mallory"}))

    assert (await rebuilt(sqlite_world, replace=True)).state.digest == state["digest"]
