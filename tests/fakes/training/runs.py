"""Runs in memory."""

from datetime import datetime
from uuid import UUID

from services.chassis.errors import TransientError
from services.training.budget import Spent
from services.training.ports import History
from services.training.run import Run, RunState
from services.training.standing import Outcome


class InMemoryRuns:
    def __init__(self, *runs: Run) -> None:
        self._runs = {run.run_id: run for run in runs}

    async def get(self, run_id: UUID) -> Run | None:
        return self._runs.get(run_id)

    async def claim(self, run_id: UUID) -> Run | None:
        return await self.get(run_id)

    async def save(self, run: Run) -> None:
        active = await self.active(run.pipeline)
        if active and active.run_id != run.run_id and not run.state.finished:
            raise TransientError("run_active", pipeline=run.pipeline)
        self._runs[run.run_id] = run

    async def active(self, pipeline: str) -> Run | None:
        return next((run for run in await self.unfinished() if run.pipeline == pipeline), None)

    async def unfinished(self) -> list[Run]:
        return sorted((run for run in self._runs.values() if not run.state.finished), key=lambda run: run.created_at)

    async def recent(self, pipeline: str | None, *, limit: int) -> list[Run]:
        chosen = [run for run in self._runs.values() if pipeline in (None, run.pipeline)]
        return sorted(chosen, key=lambda run: run.created_at, reverse=True)[:limit]

    async def history(self, pipeline: str) -> History:
        runs = await self.recent(pipeline, limit=len(self._runs))
        used = [run.pinned.dataset.version for run in runs if run.state is RunState.SUCCEEDED]
        return History(
            used=max(used, default=None),
            last_as_of=next((run.cause.as_of for run in runs if run.automatic and run.cause.as_of), None),
            labels=runs[0].labels if runs else 0,
            last_at=runs[0].created_at if runs else None,
        )

    async def spent(self, pipeline: str, since: datetime) -> Spent:
        runs = await self.recent(pipeline, limit=len(self._runs))
        today = [run for run in runs if run.begun_at and run.begun_at >= since]
        done = sorted((run for run in runs if run.state is RunState.SUCCEEDED), key=lambda run: str(run.finished_at))
        return Spent(
            runs=len(today),
            compute_s=sum(run.compute_s for run in today),
            expected_s=done[-1].compute_s if done else 0.0,
        )

    async def refused(self, pipeline: str, *, after: datetime) -> list[Run]:
        runs = await self.recent(pipeline, limit=len(self._runs))
        verdicts = [(run.verdict, run) for run in runs if run.verdict]
        promoted = [verdict.at for verdict, _ in verdicts if verdict.outcome is Outcome.PROMOTED]
        reset = max([after, *promoted, *(run.created_at for run in runs if not run.automatic)])
        refused = [
            (verdict.at, run)
            for verdict, run in verdicts
            if verdict.outcome is Outcome.REFUSED and run.automatic and verdict.at > reset
        ]
        return [run for _, run in sorted(refused, key=lambda one: one[0], reverse=True)]

    async def of_version(self, pipeline: str, version: int) -> Run | None:
        runs = await self.recent(pipeline, limit=len(self._runs))
        return next((run for run in runs if run.verdict and run.verdict.version == version), None)
