"""From a cause to what becomes of it: looks up the situation, has the domain decide, writes the outcome down."""

from datetime import datetime, timedelta
from typing import assert_never

from contracts.message import Message
from contracts.pipeline import TriggerKind
from contracts.training import SkipReason, TrainingRunAwaitingApproval, TrainingRunSkipped
from services.training.domain import Dataset, HeardCause, Join, Pipeline, Situation, Skip, Start, decide, outweighs
from services.training.ports import Causes, Pipelines, Runs
from services.training.run import Run, RunState, run_id_of


class Hearing:
    """Decides causes at one moment, with a transaction's view of the world."""

    def __init__(self, pipelines: Pipelines, runs: Runs, causes: Causes, now: datetime) -> None:
        self._pipelines = pipelines
        self._runs = runs
        self._causes = causes
        self._now = now

    async def hear(self, heard: HeardCause, pipeline: Pipeline) -> list[Message]:
        """Let a cause lead to its run, or not; one that was heard before changes nothing."""
        if await self._causes.get(heard.pipeline, heard.cause.message_id):
            return []
        return await self._decide(heard, pipeline)

    async def ripen(self, pipeline: Pipeline) -> list[Message]:
        """Decide once more about the cause that waits for data, if there is one."""
        due = await self._causes.due(pipeline.name)
        return await self._decide(due, pipeline) if due else []

    async def _decide(self, heard: HeardCause, pipeline: Pipeline) -> list[Message]:
        newest = await self._pipelines.dataset(pipeline.name)
        match decide(heard.cause, await self._situation(pipeline, newest)):
            case None:
                if heard.due:
                    await self._causes.save(heard.model_copy(update={"due": False}))
                return []
            case Start(asks):
                return await self._start(heard, pipeline, newest, asks=asks)
            case Join(run, releases, due):
                return await self._join(heard, run, releases=releases, due=due)
            case Skip(reason, detail, due):
                return await self._skip(heard, reason, detail, due=due)
            case decision:
                assert_never(decision)

    async def _situation(self, pipeline: Pipeline, newest: Dataset | None) -> Situation:
        history = await self._runs.history(pipeline.name)
        return Situation(
            retraining=pipeline.definition.retraining,
            newest=newest.ref.version if newest else None,
            active=await self._runs.active(pipeline.name),
            used=history.used,
            last_as_of=history.last_as_of,
            new_rows=await self._pipelines.new_rows(pipeline.name, history.used or 0),
            new_labels=pipeline.labels - history.labels,
        )

    async def _start(
        self, heard: HeardCause, pipeline: Pipeline, newest: Dataset | None, *, asks: bool
    ) -> list[Message]:
        wished = heard.wishes.dataset_version
        if wished and not await self._pipelines.dataset(pipeline.name, wished):
            return await self._skip(heard, SkipReason.NO_DATA, f"there is no dataset version {wished}", due=False)
        waits = timedelta(0) if heard.cause.kind is TriggerKind.PERSON else pipeline.definition.retraining.debounce
        run = Run(
            run_id=run_id_of(pipeline.name, heard.cause.message_id),
            pipeline=pipeline.name,
            cause=heard.cause,
            origin=heard.origin,
            wishes=heard.wishes,
            labels=pipeline.labels,
            state=RunState.AWAITING_APPROVAL if asks else RunState.DEBOUNCING,
            created_at=self._now,
            ready_at=self._now + waits,
        )
        await self._runs.save(run)
        await self._causes.save(
            heard.model_copy(update={"run_id": run.run_id, "due": False, "reason": None, "detail": ""})
        )
        if not asks or newest is None:
            return []
        return [
            TrainingRunAwaitingApproval(
                pipeline=run.pipeline, run_id=run.run_id, cause=run.cause, dataset_version=newest.ref.version
            )
        ]

    async def _join(self, heard: HeardCause, run: Run, *, releases: bool, due: bool) -> list[Message]:
        waits = await self._runs.claim(run.run_id) if releases and run.state is RunState.AWAITING_APPROVAL else None
        if waits and waits.state is RunState.AWAITING_APPROVAL:
            await self._runs.save(waits.approve(f"cause:{heard.cause.message_id}", self._now).run)
        detail = f"run {run.run_id} is {run.state.value}"
        if due:
            detail += "; the cause waits for its end, as there are data that it does not use"
        elif heard.wishes != run.wishes:
            detail += "; what was asked for beyond it is not taken over: ask again when it has finished"
        return await self._skip(heard, SkipReason.DUPLICATE, detail, due=due, run=run)

    async def _skip(
        self, heard: HeardCause, reason: SkipReason, detail: str, *, due: bool, run: Run | None = None
    ) -> list[Message]:
        if due and heard.due:
            return []
        run_id = run.run_id if run else None
        if due:
            due = await self._takes_the_place(heard)
        await self._causes.save(
            heard.model_copy(update={"reason": reason, "detail": detail, "due": due, "run_id": run_id})
        )
        return [
            TrainingRunSkipped(pipeline=heard.pipeline, cause=heard.cause, reason=reason, run_id=run_id, detail=detail)
        ]

    async def _takes_the_place(self, heard: HeardCause) -> bool:
        """Make a cause the one that is due, unless a weightier one already is."""
        other = await self._causes.due(heard.pipeline)
        if other is None:
            return True
        if not outweighs(heard.cause, other.cause):
            return False
        await self._causes.save(other.model_copy(update={"due": False}))
        return True
