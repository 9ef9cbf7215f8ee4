"""The part of the serving service that precomputes, in memory: two reconcilers, and jobs whose part the test plays."""

from datetime import timedelta

from contracts.message import Message
from services.chassis.jobs import JobStatus
from services.serving.ports import Deployments, Rollouts
from services.serving.precompute.domain import Precomputation, State
from services.serving.precompute.driving import PrecomputeDriver
from services.serving.precompute.ports import Plans, Precomputations
from services.serving.precompute.retention import Retention
from tests.fakes.jobs import InMemoryJobs
from tests.fakes.serving.board import InMemoryBoard
from tests.fakes.serving.deployments import InMemoryDeployments
from tests.fakes.serving.examples import NOW
from tests.fakes.serving.plans import InMemoryPlans
from tests.fakes.serving.precomputations import InMemoryPrecomputations
from tests.fakes.serving.prediction_files import InMemoryPredictionFiles
from tests.fakes.serving.rollouts import InMemoryRollouts
from tests.fakes.work import InMemoryWork
from tests.unit.serving.precompute.examples import answers, dataset, plan

KEEP = timedelta(days=3)


class KilledError(Exception):
    """The service dies here."""


class Story:
    def __init__(self) -> None:
        self.plans = InMemoryPlans()
        self.precomputations = InMemoryPrecomputations()
        self.deployments = InMemoryDeployments()
        self.rollouts = InMemoryRollouts()
        self.jobs = InMemoryJobs()
        self.files = InMemoryPredictionFiles()
        self.board = InMemoryBoard()
        self.now = NOW
        ports = {
            Plans: self.plans,
            Precomputations: self.precomputations,
            Deployments: self.deployments,
            Rollouts: self.rollouts,
        }
        self.work = InMemoryWork(ports)
        self.driver = PrecomputeDriver(self.jobs, self.files, "python", clock=lambda: self.now)
        self.retention = Retention(self.jobs, self.files, lambda: self.board, KEEP, clock=lambda: self.now)

    async def begin(self, *, version: int = 1, rows: int = 1) -> None:
        await self.plans.save(plan(dataset=dataset(rows)))
        await answers(version, self.deployments, self.rollouts)

    async def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += timedelta(seconds=1)
            await self.driver.step(self.work)  # type: ignore[arg-type]

    async def precomputed(self, *, version: int = 1, rows: int = 1) -> Precomputation:
        """Have a version answer, and its scores be made ready; gives what they came of."""
        await self.begin(version=version, rows=rows)
        for _ in range(5):
            await self.step()
            self.work_is_done()
        found = await self.precomputations.newest_completed("flights", version)
        assert found is not None
        return found

    async def pass_time(self, days: float) -> None:
        """Let days go by, with a look at what is old at their end."""
        self.now += timedelta(days=days)
        await self.retention.step(self.work)  # type: ignore[arg-type]

    def work_is_done(self) -> None:
        """Every running job does what its spec says."""
        for name, job in self.jobs.jobs.items():
            if not job.status.ended:
                self.files.leave(self.files.specs[self.jobs.commands[name][-1]])
                self.jobs.end(name, JobStatus.SUCCEEDED, exit_code=0)

    @property
    def facts(self) -> list[type[Message]]:
        return [type(fact) for fact in self.work.said]

    async def states(self) -> list[tuple[int, int, State]]:
        return [(one.version, one.dataset.version, one.state) for one in await self.precomputations.recent()][::-1]
