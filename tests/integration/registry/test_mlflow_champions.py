"""Who is champion is decided as everywhere, though MLflow's own client asks."""

from pathlib import Path

import httpx
import pytest

from contracts.pipeline import AbsoluteGate, Policy
from contracts.registered_models import (
    ModelAliasMoved,
    ModelGatesDeclared,
    ModelVersionGatesWaived,
    WaiveModelVersionGates,
)
from contracts.registry import (
    ModelCommandRefused,
    ModelVersionAwaitingApproval,
    ModelVersionPromoted,
    ModelVersionRejected,
)
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.mlflow import S3, registry_of, said
from tests.fixtures.services import World

pytestmark = pytest.mark.filterwarnings("ignore:.*model registry stages:FutureWarning")
ABOVE_SIX = (AbsoluteGate(metric="auc", at_least=0.6),)


async def test_a_pipelines_versions_are_there_for_mlflows_clients(world: World, tmp_path: Path) -> None:
    run = leave_run(tmp_path)
    async with registry_of(world) as client:
        await world.publish(pipeline_registered())
        await world.publish(run)
        await said(world, ModelVersionPromoted)

        model = await client.get_registered_model(PIPELINE)
        version = await client.get_model_version_by_alias(PIPELINE, "champion")

        assert (model.description, model.aliases) == ("Will this flight arrive late?", {"champion": "1"})
        assert (version.version, version.run_id, version.source) == ("1", run.run_id.hex, run.bundle_uri)
        assert (version.current_stage, version.tags["everloop.state"]) == ("Production", "promoted")
        assert [one.version for one in await client.get_latest_versions(PIPELINE, ["Production"])] == ["1"]
        for name, *arguments in (
            ("set_model_version_tag", PIPELINE, 1, "everloop.state", "better"),
            ("rename_registered_model", PIPELINE, "other"),
            ("delete_registered_model", PIPELINE),
            ("delete_model_version", PIPELINE, 1),
            ("delete_registered_model_alias", PIPELINE, "champion"),
        ):
            assert "PERMISSION_DENIED" in await client.refused(name, *arguments)


async def test_no_champion_without_its_gates(world: World, tmp_path: Path) -> None:
    async with registry_of(world) as client:
        await world.publish(pipeline_registered(gates=ABOVE_SIX, policy=Policy.ASK))
        await world.publish(leave_run(tmp_path, 1, metrics={"auc": 0.5}))
        await said(world, ModelVersionRejected)
        await world.publish(leave_run(tmp_path, 2))
        await said(world, ModelVersionAwaitingApproval)
        await client.create_model_version(PIPELINE, S3)

        rejected = await client.refused("set_registered_model_alias", PIPELINE, "champion", 1)
        waiting = await client.refused("transition_model_version_stage", PIPELINE, 2, "Production")
        logged = await client.refused("set_registered_model_alias", PIPELINE, "champion", 3)
        staged = await client.refused("transition_model_version_stage", PIPELINE, 3, "Staging")

        assert rejected.startswith("PERMISSION_DENIED")
        assert "auc 0.5 is not at least 0.6" in rejected
        assert waiting.startswith("PERMISSION_DENIED")
        assert f"everloop approve {PIPELINE} 2" in waiting
        assert (logged.split(":")[0], staged.split(":")[0]) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
        assert "everloop reject" in await client.refused("delete_registered_model_alias", PIPELINE, "challenger")
        assert (await client.get_model_version(PIPELINE, 2)).current_stage == "Staging"
        await world.publish(WaiveModelVersionGates(pipeline=PIPELINE, version=3, waived_by="eve", reason="hurry"))
        (refused,) = await said(world, ModelCommandRefused)
        assert (refused.rule, refused.requested_by) == ("pipeline_has_gates", "eve")
        assert (await client.get_registered_model(PIPELINE)).aliases == {"challenger": "2"}


async def test_going_back_to_an_earlier_champion_verifies_its_bundle(world: World, tmp_path: Path) -> None:
    runs = [leave_run(tmp_path, number) for number in (1, 2, 3)]
    async with registry_of(world) as client:
        await world.publish(pipeline_registered(gates=ABOVE_SIX))
        for count, run in enumerate(runs, start=1):
            await world.publish(run)
            await said(world, ModelVersionPromoted, count)

        await client.set_registered_model_alias(PIPELINE, "champion", 2)

        assert (await client.get_model_version_by_alias(PIPELINE, "champion")).version == "2"
        back = (await said(world, ModelVersionPromoted, 4))[-1]
        assert (back.version, back.kind.value, back.promoted_by) == (2, "rollback", "mlflow")
        (Path(runs[0].bundle_uri) / "model.onnx").write_bytes(b"another model")
        spoilt = await client.refused("transition_model_version_stage", PIPELINE, 1, "Production")
        assert spoilt.startswith("PERMISSION_DENIED")
        assert "model.onnx" in spoilt
        assert (await client.get_registered_model(PIPELINE)).aliases == {"champion": "2", "previous": "3"}
        assert (await client.get_model_version(PIPELINE, 3)).current_stage == "Archived"


async def test_a_logged_version_is_champion_once_a_person_answers_for_it(world: World) -> None:
    async with registry_of(world) as client:
        await client.create_registered_model("flights")
        for _ in range(2):
            await client.create_model_version("flights", S3)
        await client.transition_model_version_stage("flights", 1, "Staging")
        await client.transition_model_version_stage("flights", 2, "Staging", archive_existing_versions=True)

        refused = await client.refused("transition_model_version_stage", "flights", 2, "Production")
        wish = {"by": "ada", "reason": "nothing better yet"}
        async with httpx.AsyncClient(base_url=f"{client.url}/v1/models/flights/versions") as http:
            assert (await http.post("/3/waive", json=wish)).status_code == 404
            assert (await http.post("/2/waive", json=wish)).status_code == 202
        (waived,) = await said(world, ModelVersionGatesWaived)
        champion = await client.transition_model_version_stage("flights", 2, "Production")

        assert refused.startswith("PERMISSION_DENIED")
        assert "everloop waive flights 2" in refused
        assert (waived.version, waived.waived_by, waived.reason) == (2, "ada", "nothing better yet")
        assert champion.current_stage == "Production"
        assert (await client.get_model_version("flights", 1)).current_stage == "Archived"
        moves = [(one.alias, one.version, one.previous_version) for one in await said(world, ModelAliasMoved, 4)]
        assert moves == [("challenger", 1, None), ("challenger", 2, 1), ("champion", 2, None), ("challenger", None, 2)]


async def test_gates_are_held_against_what_a_run_measured(world: World) -> None:
    async with registry_of(world) as client:
        run_id = (await client.create_run("0")).info.run_id
        await client.create_registered_model("flights")
        await client.create_model_version("flights", S3, run_id=run_id)
        wish = {"by": "ada", "reason": "as good as by hand", "gates": [{"metric": "auc", "at_least": 0.6}]}
        async with httpx.AsyncClient(base_url=f"{client.url}/v1/models") as http:
            assert (await http.post("/trains/gates", json=wish)).status_code == 404
            assert (await http.post("/flights/gates", json=wish)).status_code == 202
        (declared,) = await said(world, ModelGatesDeclared)

        unmeasured = await client.refused("set_registered_model_alias", "flights", "champion", 1)
        await client.log_metric(run_id, "auc", 0.5)
        missed = await client.refused("set_registered_model_alias", "flights", "champion", 1)
        await client.log_metric(run_id, "auc", 0.7, step=1)
        await client.set_registered_model_alias("flights", "champion", 1)

        assert (declared.gates, declared.previous_gates) == (ABOVE_SIX, ())
        assert "auc was not measured" in unmeasured
        assert missed.startswith("PERMISSION_DENIED")
        assert "auc 0.5 is not at least 0.6" in missed
        (moved,) = await said(world, ModelAliasMoved)
        assert (moved.version, [verdict.value for verdict in moved.verdicts]) == (1, [0.7])
        assert "auc 0.7 is at least 0.6" in moved.reason
        assert (await client.get_model_version("flights", 1)).current_stage == "Production"


async def test_a_pipeline_takes_over_a_model_that_was_only_logged(sqlite_world: World, tmp_path: Path) -> None:
    async with registry_of(sqlite_world) as client:
        await client.create_registered_model(PIPELINE, description="by hand")
        await client.create_model_version(PIPELINE, S3)
        await sqlite_world.publish(
            WaiveModelVersionGates(pipeline=PIPELINE, version=1, waived_by="ada", reason="nothing better yet")
        )
        await said(sqlite_world, ModelVersionGatesWaived)
        await client.set_registered_model_alias(PIPELINE, "champion", 1)

        await sqlite_world.publish(pipeline_registered())
        taken = (await said(sqlite_world, ModelAliasMoved, 2))[-1]
        await sqlite_world.publish(leave_run(tmp_path))
        (promoted,) = await said(sqlite_world, ModelVersionPromoted)

        assert (taken.alias, taken.version, taken.previous_version) == ("champion", None, 1)
        assert (promoted.version, promoted.previous_version) == (2, None)
        model = await client.get_registered_model(PIPELINE)
        assert (model.description, model.aliases) == ("by hand", {"champion": "2"})
        assert "PERMISSION_DENIED" in await client.refused("set_registered_model_alias", PIPELINE, "champion", 1)
