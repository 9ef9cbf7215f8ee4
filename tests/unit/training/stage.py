"""Runs that are driven against a cluster in memory, by a clock that only moves when told."""

from datetime import timedelta
from typing import Any

from services.training.driving import Driver, Entrypoint
from services.training.reminders import Reminders
from services.training.run import Run
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.training import examples
from tests.fakes.training.run_files import InMemoryRunFiles
from tests.fakes.training.story import Story
from tests.fakes.work import InMemoryWork


class Stage:
    """A story with a cluster, a store, a driver, and a clock that only moves when told."""

    def __init__(self, **definition: Any) -> None:
        self.story = Story(examples.pipeline(**definition))
        self.cluster = InMemoryJobs()
        self.files = InMemoryRunFiles()
        self.work = InMemoryWork(self.story.ports)
        self.now = examples.NOON + timedelta(days=1)
        self._driver = Driver(
            self.cluster,
            self.files,
            Entrypoint("python", "/cache", "http://collector"),
            timedelta(seconds=2),
            lambda: self.now,
        )

    async def step(self, times: int = 1) -> None:
        for _ in range(times):
            await self._driver.step(self.work)  # type: ignore[arg-type]

    async def remind(self) -> None:
        await Reminders(lambda: self.now).step(self.work)  # type: ignore[arg-type]

    async def running(self) -> Run:
        await self.story.hear(examples.dataset_ingested())
        await self.step(3)
        return await self.run()

    async def run(self) -> Run:
        return (await self.story.runs.recent(None, limit=1))[0]

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)
