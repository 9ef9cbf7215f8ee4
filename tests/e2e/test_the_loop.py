"""A stranger's pipeline through the whole loop, with real NATS, real Ray and all five services."""

import asyncio
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import nats
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tritonclient.grpc import InferenceServerClient

from contracts.ingestion import DatasetIngested, DatasetRejected, IngestDataset
from contracts.registered_models import ModelVersionGatesWaived, WaiveModelVersionGates
from contracts.registry import ModelVersionPromoted
from contracts.serving import RolloutCompleted
from contracts.training import PipelineRegistered, TrainingRunStarted, TrainingRunSucceeded
from everloop import load_model
from everloop.client import Platform
from everloop.template import new_pipeline
from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures import onnx_session
from tests.fixtures.onnx_session import MODEL as LOGGED
from tests.fixtures.platform import TURN_WITHIN_S, RunningPlatform, first_champion, ready, told
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ROW = {"shop": "north", "weight_kg": 1.5, "distance_km": 300.0}


async def begin(platform: RunningPlatform, client: Platform, name: str, folder: Path) -> Path:
    """Write and register a pipeline under a name of its own; gives its sample."""
    where = new_pipeline(name, folder)
    since = await client.bus.mark()
    platform.everloop("pipeline", "register", str(where))
    await client.wait_for(PipelineRegistered, pipeline=name, since=since, within_s=30)
    return where / "sample.csv"


async def test_a_prediction_leads_back_to_everything_and_its_version_outlives_all_of_it(
    platform: RunningPlatform, sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(platform)
    async with platform.client() as client:
        sample = await begin(platform, client, "parcels", tmp_path)
        rollout = await first_champion(client, "parcels", sample)
        answer = await client.predict("parcels", [ROW])
        (prediction_id,) = answer.prediction_ids
        why = await eventually(lambda: explained(platform, prediction_id), within_s=30, every_s=0.5)

    assert answer.version == rollout.version == why["model"]["version"] == 1
    assert why["prediction"]["inputs"] == ROW
    assert why["model"]["bundle_digest"] == rollout.bundle_digest
    for part in ("data", "code", "environment"):
        assert why[part]["digest"].startswith("sha256:"), part
    assert why["run"]["cause"]["kind"] == "data"
    assert all(verdict["passed"] for verdict in why["gates"])
    assert why["promotion"]["by"] == "policy:auto"
    assert why["missing"] == {}

    monkeypatch.setenv("EVERLOOP_HOME", str(platform.home.root))
    monkeypatch.setenv("EVERLOOP_CACHE", str(tmp_path / "cache"))
    with load_model("parcels@champion") as model:
        assert (model.version, model.predict([ROW]).tolist()) == (1, list(answer.scores))

    run_id = why["run"]["run_id"]
    followed = json.loads(platform.everloop("lineage", run_id, "--json"))
    assert (followed["kind"], followed["versions"][0]["newest_predictions"]) == ("run", [prediction_id])
    assert json.loads(platform.everloop("verify", "parcels", "--json"))["faults"] == 0
    archive = tmp_path / "parcels.zip"
    exported = json.loads(platform.everloop("export", "parcels@champion", str(archive), "--json"))
    # The colleague leaves, and takes everything along.
    shutil.rmtree(sample.parent)
    for kept in ("lake/parcels", f"runs/{run_id}"):
        shutil.rmtree(platform.home.store / kept)
    assert platform.everloop("verify", "parcels", "--json", status=1)

    async with an_empty_platform(sqlite_world, monkeypatch) as everloop:
        status, said = await everloop("import", str(harmed(archive, "bundle/model.onnx")))
        assert (status, "bundle/model.onnx" in said) == (1, True), said
        assert not (sqlite_world.home / "store").exists()
        status, said = await everloop("import", str(archive), "--digest", exported["digest"], "--json")
        assert status == 0, said
        status, said = await everloop("rerun", "parcels", "1", "--json")
        assert status == 0, said

    rebuilt = json.loads(said)
    assert rebuilt["identical"] is True
    assert rebuilt["bundle_digest"] == rollout.bundle_digest


def harmed(archive: Path, member: str) -> Path:
    """Change one byte of an archive."""
    with ZipFile(archive) as opened:
        place = opened.getinfo(member)
    content = bytearray(archive.read_bytes())
    content[place.header_offset + place.file_size] ^= 1
    other = archive.with_name("harmed.zip")
    other.write_bytes(content)
    return other


@asynccontextmanager
async def an_empty_platform(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[tuple[int, str]]]]:
    """Run the parts of a platform that an import needs; gives a command line that gives its exit status and words."""

    async def everloop(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "everloop.cli.main", *words, "--home", str(world.home)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stderr if done.returncode else done.stdout

    async with world.running(build(world.settings(RegistrySettings))) as registry:
        monkeypatch.setenv("EVERLOOP_NATS_URL", world.broker.url)
        for service in ("ingestion", "training", "registry", "serving", "monitoring"):
            monkeypatch.setenv(f"EVERLOOP_{service.upper()}_URL", registry.url)
        yield everloop


def explained(platform: RunningPlatform, prediction_id: str) -> dict[str, dict[str, object]] | None:
    """Ask why, until monitoring has heard of the prediction."""
    try:
        return json.loads(platform.everloop("why", prediction_id, "--json"))
    except AssertionError:
        return None


async def test_a_bare_client_starts_one_run_however_often_it_says_the_same(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    await ready(platform)
    async with platform.client() as client:
        sample = await begin(platform, client, "bare", tmp_path)
        await first_champion(client, "bare", sample)
        since = await client.bus.mark()
        message_id = str(uuid4())
        bare = await nats.connect(client.endpoints.nats)
        for _ in range(2):
            await bare.publish("commands.training.run.start.v1.bare", b"{}", headers={"Nats-Msg-Id": message_id})
        await bare.close()
        await client.wait_for(TrainingRunSucceeded, pipeline="bare", since=since, within_s=120)
        causes = [heard.message.cause.message_id for heard in await told(client, TrainingRunStarted, "bare")]

    assert causes.count(message_id) == 1
    assert len(causes) == 2


async def test_what_cannot_be_read_is_kept_with_its_reason_and_disturbs_nothing(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    await ready(platform)
    bad = {
        "commands.training.run.start.v1.odd": (b"{not json", "not_json"),
        "commands.training.run.start.v9.odd": (b"{}", "unknown_type"),
        "commands.training.run.begin.v1.odd": (b"{}", "unknown_type"),
        "commands.ingestion.dataset.ingest.v1.odd": (b'{"uri": 7}', "schema_violation"),
        "commands.registry.version.approve.v1.odd": (b'{"pad": "%s"}' % (b"x" * 600_000), "message_too_large"),
    }
    async with platform.client() as client:
        for subject, (body, _) in bad.items():
            await client.bus.publish(subject, body)

        def letters() -> dict[str, str]:
            listed = json.loads(platform.everloop("dead", "list", "--json"))
            return {letter["subject"]: letter["reason"] for letter in listed if letter["subject"].endswith(".odd")}

        found = await eventually(lambda: (kept := letters()).keys() == bad.keys() and kept, within_s=60, every_s=0.5)

    assert found == {subject: reason for subject, (_, reason) in bad.items()}


async def test_a_bad_file_is_rejected_and_the_model_goes_on_answering(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    await ready(platform)
    async with platform.client() as client:
        sample = await begin(platform, client, "careful", tmp_path)
        await first_champion(client, "careful", sample)
        first = next(csv.DictReader(sample.read_text().splitlines()))
        files = {
            "missing_column": "\n".join(["parcel_id,sent_at,shop", "p1,2026-05-01T00:00:00Z,north"]),
            "type": sample.read_text().replace(first["distance_km"], "far", 1),
            "readable": "",
        }
        for rule, content in files.items():
            path = tmp_path / f"{rule}.csv"
            path.write_text(content)
            receipt = await client.bus.say(IngestDataset(pipeline="careful", uri=str(path)))
            rejected = await client.wait_for(
                DatasetRejected,
                pipeline="careful",
                since=receipt.mark,
                within_s=30,
                where=lambda e, p=path: e.uri == str(p),
            )
            assert rule in {violation.rule.value for violation in rejected.violations}
            assert (await client.predict("careful", [ROW])).version == 1

        assert len(await told(client, DatasetIngested, "careful")) == 1
        assert len(await told(client, ModelVersionPromoted, "careful")) == 1


async def test_a_model_that_was_only_logged_answers_as_onnxruntime_does(
    platform: RunningPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    await ready(platform)
    rows = onnx_session.ROWS.to_dict("records")
    async with platform.client() as client:
        mlflow = MlflowClient(tracking_uri=client.endpoints.of("registry"))
        expected = await onnx_session.run(client.endpoints.of("registry"))
        with pytest.raises(MlflowException, match="PERMISSION_DENIED"):
            await asyncio.to_thread(mlflow.set_registered_model_alias, LOGGED, "champion", 1)
        receipt = await client.bus.say(WaiveModelVersionGates(pipeline=LOGGED, version=1, waived_by="ada", reason="so"))
        await client.wait_for(ModelVersionGatesWaived, pipeline=LOGGED, since=receipt.mark, within_s=30)
        await asyncio.to_thread(mlflow.set_registered_model_alias, LOGGED, "champion", 1)
        await client.wait_for(RolloutCompleted, pipeline=LOGGED, since=receipt.mark, within_s=TURN_WITHIN_S)

        answer = await client.predict(LOGGED, rows)
        with InferenceServerClient(client.endpoints.grpc) as grpc:
            over_grpc = grpc.infer(LOGGED, onnx_session.tensors()).as_numpy("score").tolist()
        (prediction_id, *_) = answer.prediction_ids
        why = await eventually(lambda: explained(platform, prediction_id), within_s=60, every_s=0.5)

    assert (answer.version, list(answer.scores), over_grpc) == (1, expected[1], expected[1])
    assert (why["model"]["version"], why["prediction"]["inputs"]) == (1, rows[0])
    assert "can't be built again" in str(why["missing"]["origin"])
