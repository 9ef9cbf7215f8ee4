"""Names of models are resolved through the registry's HTTP API as it is, not as a fake has it."""

import asyncio
from pathlib import Path

import pytest

from contracts.registry import ModelVersionPromoted
from everloop.models.errors import ModelNotFoundError
from everloop.models.names import Alias, ModelName
from everloop.models.registry import Registry
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import pipeline_registered
from tests.fakes.registry.runs import leave_run
from tests.fixtures.services import World
from tests.integration.registry.test_runs_become_versions import ABOVE_SIX, running, said


async def test_names_mean_what_the_registry_says(sqlite_world: World, tmp_path: Path) -> None:
    first, second = leave_run(tmp_path), leave_run(tmp_path, 2, metrics={"auc": 0.9})
    async with running(sqlite_world) as client:
        registry = Registry("here", f"http://{client.base_url.host}:{client.base_url.port}")

        async def resolve(name: str) -> tuple[int | None, str | None]:
            resolved = await asyncio.to_thread(registry.resolve, ModelName.parse(name))
            return resolved.version, resolved.bundle_digest

        await sqlite_world.publish(pipeline_registered(gates=ABOVE_SIX))
        for count, run in enumerate((first, second), start=1):
            await sqlite_world.publish(run)
            await said(sqlite_world, ModelVersionPromoted, count)

        assert await resolve(f"{PIPELINE}@champion") == (2, second.bundle_digest)
        assert await resolve(f"{PIPELINE}@previous") == (1, first.bundle_digest)
        assert await resolve(f"{PIPELINE}/1") == (1, first.bundle_digest)
        assert await asyncio.to_thread(registry.points_at, PIPELINE, Alias.CHALLENGER) is None
        for name in ("giant@champion", f"{PIPELINE}/3", f"{PIPELINE}@challenger"):
            with pytest.raises(ModelNotFoundError):
                await resolve(name)
