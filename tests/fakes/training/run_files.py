"""The store's files of runs, in memory."""

from uuid import UUID

from contracts.jobs import Progress, TrainingSpec
from services.training.run import Result, Run


class InMemoryRunFiles:
    def __init__(self) -> None:
        self.specs: dict[UUID, TrainingSpec] = {}
        self.lines: dict[UUID, Progress] = {}
        self.results: dict[UUID, Result] = {}
        self.broken: set[UUID] = set()

    def directory(self, run_id: UUID) -> str:
        return f"/store/runs/{run_id}"

    def spec_uri(self, spec: TrainingSpec) -> str:
        return f"{spec.output_uri}/spec.json"

    async def write_spec(self, spec: TrainingSpec) -> str:
        assert self.specs.setdefault(spec.run_id, spec) == spec
        return self.spec_uri(spec)

    async def progress(self, run: Run) -> Progress | None:
        return self.lines.get(run.run_id)

    async def result(self, run: Run) -> Result | None:
        if run.run_id in self.broken:
            raise LookupError(run.run_id)
        return self.results.get(run.run_id)
