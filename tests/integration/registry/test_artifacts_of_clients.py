"""MLflow's own client keeps files through the registry, and never sees the store."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from services.registry.main import build
from services.registry.settings import RegistrySettings
from tests.fixtures.services import World

T = TypeVar("T")
MIB = 1024 * 1024


async def called(call: Callable[..., T], *arguments: object, **more: object) -> T:
    """Let the client block, as it does."""
    return await asyncio.wait_for(asyncio.to_thread(call, *arguments, **more), timeout=60)


async def test_files_of_a_run_travel_both_ways(sqlite_world: World, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "deep er").mkdir(parents=True)
    (here / "notes.txt").write_text("hello")
    (here / "deep er" / "ü 50%.bin").write_bytes(b"x" * 3 * MIB)
    async with sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as registry:
        client = MlflowClient(registry.url)
        run = (await called(client.create_run, "0")).info
        await called(client.log_artifact, run.run_id, str(here / "notes.txt"))
        await called(client.log_artifacts, run.run_id, str(here), "all")
        await called(client.log_text, run.run_id, "a,b", "table.csv")

        top = await called(client.list_artifacts, run.run_id)
        below = await called(client.list_artifacts, run.run_id, "all/deep er")
        there = Path(await called(client.download_artifacts, run.run_id, "all", str(tmp_path)))
        one = await called(download_artifacts, artifact_uri=f"runs:/{run.run_id}/table.csv", tracking_uri=registry.url)

        assert [(file.path, file.is_dir, file.file_size) for file in top] == [
            ("all", True, None),
            ("notes.txt", False, 5),
            ("table.csv", False, 3),
        ]
        assert [(file.path, file.file_size) for file in below] == [("all/deep er/ü 50%.bin", 3 * MIB)]
        assert (there / "deep er" / "ü 50%.bin").read_bytes() == b"x" * 3 * MIB
    assert await called(Path(one).read_text) == "a,b"
    assert (sqlite_world.home / "store/artifacts/0" / run.run_id / "artifacts/notes.txt").read_text() == "hello"


async def test_files_are_listed_by_run(sqlite_world: World) -> None:
    async with (
        sqlite_world.running(build(sqlite_world.settings(RegistrySettings))) as registry,
        httpx.AsyncClient(base_url=f"{registry.url}/api/2.0/mlflow") as asking,
    ):
        client = MlflowClient(registry.url)
        run = (await called(client.create_run, "0")).info
        await called(client.log_text, run.run_id, "x", "a/b.txt")

        listed = (await asking.get("/artifacts/list", params={"run_id": run.run_id, "path": "a"})).json()
        by_old_name = (await asking.get("/artifacts/list", params={"run_uuid": run.run_id})).json()
        outside = await asking.get("/artifacts/list", params={"run_id": run.run_id, "path": "../.."})
        unknown = await asking.get("/artifacts/list", params={"run_id": "0" * 32})

    assert listed == {
        "root_uri": f"mlflow-artifacts:/0/{run.run_id}/artifacts",
        "files": [{"path": "a/b.txt", "is_dir": False, "file_size": 1}],
    }
    assert [file["path"] for file in by_old_name["files"]] == ["a"]
    assert (outside.status_code, outside.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_a_file_that_is_too_large_is_refused_at_once(sqlite_world: World, tmp_path: Path) -> None:
    (tmp_path / "fits.bin").write_bytes(bytes(2 * MIB))
    (tmp_path / "large.bin").write_bytes(bytes(9 * MIB))
    settings = sqlite_world.settings(RegistrySettings, max_artifact_bytes=2 * MIB)
    async with sqlite_world.running(build(settings)) as registry:
        client = MlflowClient(registry.url)
        run = (await called(client.create_run, "0")).info
        await called(client.log_artifact, run.run_id, str(tmp_path / "fits.bin"))

        with pytest.raises(OSError, match="at most 2097152 bytes"):
            await called(client.log_artifact, run.run_id, str(tmp_path / "large.bin"))

        assert [file.path for file in await called(client.list_artifacts, run.run_id)] == ["fits.bin"]
