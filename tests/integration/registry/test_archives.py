"""An archive becomes a version of another registry, through the command line, a real broker and a real database."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.registry import ModelVersionImported
from everloop.cli.main import app
from tests.contracts.examples import PIPELINE
from tests.fixtures.archives import NUMBER, archive_of, files_below, leave_version
from tests.fixtures.services import World
from tests.integration.registry.test_runs_become_versions import running


async def everloop(*words: str) -> tuple[int, str]:
    """Type a command; gives its exit status and what it printed."""
    done = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    return done.exit_code, done.stdout if done.exit_code == 0 else str(done.exception)


async def test_a_version_is_exported_and_imported(
    sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, again, store = tmp_path / "first.zip", tmp_path / "again.zip", tmp_path / "here"
    digest = archive_of(leave_version(tmp_path / "there"), archive)
    monkeypatch.setenv("EVERLOOP_STORE_URI", str(store))
    monkeypatch.setenv("EVERLOOP_NATS_URL", sqlite_world.broker.url)
    async with running(sqlite_world) as client:
        for service in ("ingestion", "training", "registry", "serving", "monitoring"):
            monkeypatch.setenv(f"EVERLOOP_{service.upper()}_URL", str(client.base_url).removesuffix("/v1/"))

        status, said = await everloop("import", str(archive), "--digest", f"sha256:{'0' * 64}", "--by", "ada")
        assert (status, store.exists()) == (1, False), said
        status, said = await everloop("import", str(archive), "--digest", digest, "--by", "ada", "--json")
        assert status == 0, said
        imported = json.loads(said)
        assert (imported["version"], imported["imported_by"]) == (NUMBER, "ada")
        version = (await client.get(f"/models/{PIPELINE}/versions/{NUMBER}")).json()
        assert (version["state"], version["aliases"], version["decision"]["by"]) == ("imported", [], "ada")
        assert version["bundle_uri"].startswith(str(store))

        record = (await client.get(f"/models/{PIPELINE}/versions/{NUMBER}/record")).json()
        assert (record["version"], record["state"], record["bundle_digest"]) == (
            NUMBER,
            "promoted",
            version["bundle_digest"],
        )
        status, said = await everloop("lineage", PIPELINE, str(NUMBER))
        assert status == 0, said
        assert f"was version {NUMBER} there, promoted" in said

        before = files_below(store)
        status, said = await everloop("import", str(archive))
        assert (status, "is here already, as" in said) == (1, True), said
        assert files_below(store) == before
        assert len(await sqlite_world.said(ModelVersionImported)) == 1

        status, said = await everloop("export", f"{PIPELINE}/{NUMBER}", str(again), "--json")
        assert status == 0, said
        assert json.loads(said)["version"] == NUMBER
