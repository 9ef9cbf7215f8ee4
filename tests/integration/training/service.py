"""The training service as a test runs it: on a cluster whose jobs the test plays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from contracts.training import PipelineRegistered
from services.training.main import assemble
from services.training.run_files import StoredRunFiles
from services.training.settings import TrainingSettings
from tests.fakes.folder_jobs import FolderJobs
from tests.fakes.training import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually


@dataclass
class Training:
    """A running training service, its cluster, its store and its HTTP side."""

    world: World
    cluster: FolderJobs
    store_uri: str
    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submitted(self, count: int = 1) -> str:
        """Wait for a job; name the newest."""
        await eventually(lambda: len(self.cluster.submissions()) >= count)
        return self.cluster.submissions()[-1]

    async def settled(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many causes have been decided."""
        triggers: list[dict[str, Any]] = []

        async def enough() -> bool:
            triggers[:] = await self.get("/v1/triggers")
            return len(triggers) >= count

        await eventually(enough)
        return triggers


@asynccontextmanager
async def running(world: World, **settings: Any) -> AsyncIterator[Training]:
    config = world.settings(TrainingSettings, poll_interval_s=0.05, progress_interval_s=0, **settings)
    cluster = FolderJobs(world.home / "jobs")
    service = assemble(config, cluster, StoredRunFiles(config.store_uri))
    async with world.running(service) as live, httpx.AsyncClient(base_url=live.url, trust_env=False) as http:
        yield Training(world, cluster, config.store_uri, http)


async def registered(world: World, **definition: Any) -> None:
    await world.publish(examples.register_pipeline(**{"debounce": 0, **definition}))
    await eventually(lambda: world.said(PipelineRegistered))
