"""Whom MLflow's client names is on record with what they did; what else it sends to prove it is kept nowhere."""

from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.logged_models import LoggedModelDeleted
from contracts.pipeline import AbsoluteGate
from contracts.registered_models import (
    ModelAliasMoved,
    ModelDeleted,
    ModelRenamed,
    ModelVersionArchived,
    ModelVersionDeleted,
    ModelVersionGatesWaived,
    WaiveModelVersionGates,
)
from contracts.registry import ModelVersionPromoted
from contracts.streams import STREAMS
from contracts.tracking import ExperimentDeleted, RunDeleted
from services.chassis.bus import NotOnBusError
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import S3, registry_of, said
from tests.fixtures.services import World

pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")

ADA = "ada (mlflow)"
PASSWORD = "correct-horse-battery"
GATES = (AbsoluteGate(metric="auc", at_least=0.6),)


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow's client is told by its environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


@pytest.mark.usefixtures("ada")
async def test_whoever_the_client_names_is_on_record(world: World, tmp_path: Path) -> None:
    async with registry_of(world) as client:
        await client.create_registered_model("trains")
        for _ in range(2):
            await client.create_model_version("trains", S3)
        await client.set_registered_model_alias("trains", "mine", 1)
        await client.delete_registered_model_alias("trains", "mine")
        await client.transition_model_version_stage("trains", 1, "Archived")
        await world.publish(WaiveModelVersionGates(pipeline="trains", version=2, waived_by="eve", reason="a trial"))
        await said(world, ModelVersionGatesWaived)
        await client.set_registered_model_alias("trains", "champion", 2)
        await client.delete_model_version("trains", 1)
        await client.rename_registered_model("trains", "buses")
        await client.delete_registered_model("buses")
        run_id = (await client.create_run("0")).info.run_id
        model = await client.create_logged_model("0", name="times")
        await client.delete_run(run_id)
        await client.delete_logged_model(model.model_id)
        await client.delete_experiment(await client.create_experiment("short-lived"))
        await world.publish(pipeline_registered(gates=GATES))
        for count in (1, 2):
            await world.publish(leave_run(tmp_path, count))
            await said(world, ModelVersionPromoted, count)
        await client.set_registered_model_alias(PIPELINE, "champion", 1)

        assert {one.moved_by for one in await said(world, ModelAliasMoved, 3)} == {ADA}
        assert (await said(world, ModelVersionArchived))[0].archived_by == ADA
        assert (await said(world, ModelRenamed))[0].renamed_by == ADA
        for kind in (ModelVersionDeleted, ModelDeleted, RunDeleted, LoggedModelDeleted, ExperimentDeleted):
            assert (await said(world, kind))[0].deleted_by == ADA
        assert (await said(world, ModelVersionPromoted, 3))[-1].promoted_by == ADA


@pytest.mark.usefixtures("ada")
async def test_a_password_is_kept_nowhere(sqlite_world: World, caplog: pytest.LogCaptureFixture) -> None:
    world = sqlite_world
    with caplog.at_level("DEBUG", "services"):
        async with registry_of(world) as client:
            await client.create_registered_model("flights")
            await client.create_model_version("flights", S3)
            await client.set_registered_model_alias("flights", "mine", 1)
            await client.refused("set_registered_model_alias", "flights", "champion", 1)
            await said(world, ModelAliasMoved)

    kept = [str(vars(record)).encode() for record in caplog.records]
    kept += [span.to_json().encode() for span in world.spans.all()]
    kept += [body async for body in _bodies(world)]
    kept += [file.read_bytes() for file in world.home.rglob("*") if file.is_file()]
    assert any(b"ada (mlflow)" in each for each in kept)
    for secret in (PASSWORD, b64encode(f"ada:{PASSWORD}".encode()).decode()):
        assert not any(secret.encode() in each for each in kept)


async def _bodies(world: World) -> AsyncIterator[bytes]:
    for stream in STREAMS:
        sequence = 1
        while True:
            try:
                stored = await world.bus.read(stream.name, seq=sequence, next_by_subj=">")
            except NotOnBusError:
                break
            yield stored.body
            sequence = stored.sequence + 1
