"""From a cause to what becomes of it: looks up the situation, has the domain decide, writes the outcome down."""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.message import Message
from contracts.pipeline import TriggerKind
from contracts.training import SkipReason, TrainingRunAwaitingApproval, TrainingRunSkipped
from services.training.domain import (
    Decision,
    HeardCause,
    Join,
    Pipeline,
    Situation,
    Skip,
    Start,
    decide,
    heaviest_first,
)
from services.training.ports import Causes, Pipelines, Runs
from services.training.run import Run, RunState, run_id_of
from services.training.situations import situation_of


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

    async def waiting(self, pipeline: Pipeline) -> list[HeardCause]:
        """List the causes that wait, the weightiest first."""
        return heaviest_first(await self._causes.due(pipeline.name))

    async def ripe(self, pipeline: Pipeline) -> bool:
        """Whether to decide again about a cause that waits would change anything."""
        return any([_changes(one, await self._decision(one, pipeline)) for one in await self.waiting(pipeline)])

    async def ripen(self, pipeline: Pipeline) -> list[Message]:
        """Decide once more about every cause that waits."""
        return [said for one in await self.waiting(pipeline) for said in await self.again(one, pipeline)]

    async def again(self, waiting: HeardCause, pipeline: Pipeline) -> list[Message]:
        """Decide once more about a cause, if it waits still."""
        current = await self._causes.get(pipeline.name, waiting.cause.message_id)
        return await self._decide(current, pipeline) if current and current.due else []

    async def _decision(self, heard: HeardCause, pipeline: Pipeline) -> Decision | None:
        return decide(heard.cause, await self._situation(heard, pipeline), waited=heard.due)

    async def _situation(self, heard: HeardCause, pipeline: Pipeline) -> Situation:
        return await situation_of(heard.cause.kind, pipeline, self._pipelines, self._runs, self._now)

    async def _decide(self, heard: HeardCause, pipeline: Pipeline) -> list[Message]:
        situation = await self._situation(heard, pipeline)
        match decide(heard.cause, situation, waited=heard.due):
            case None if heard.due:
                return await self._skip(heard, Skip(SkipReason.POLICY, "the pipeline has no trigger for it any more"))
            case None:
                return []
            case Start(asks):
                return await self._start(heard, pipeline, situation, asks=asks)
            case Join(run, releases, due):
                return await self._join(heard, run, releases=releases, due=due)
            case Skip() as skip:
                return await self._skip(heard, skip)
            case decision:
                assert_never(decision)

    async def _start(self, heard: HeardCause, pipeline: Pipeline, situation: Situation, *, asks: bool) -> list[Message]:
        wished, newest = heard.wishes.dataset_version, situation.newest
        if wished and not await self._pipelines.dataset(pipeline.name, wished):
            return await self._skip(heard, Skip(SkipReason.NO_DATA, f"there is no dataset version {wished}"))
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
        await self._causes.save(_kept(heard, run_id=run.run_id))
        if newest is None:
            return []
        if asks:
            waits_for = TrainingRunAwaitingApproval(
                pipeline=run.pipeline, run_id=run.run_id, cause=run.cause, dataset_version=newest
            )
            return [waits_for]
        if newest > (situation.used or 0) and wished in (None, newest):
            return await self._answer_waiting(run, pipeline)
        return []

    async def _answer_waiting(self, run: Run, pipeline: Pipeline) -> list[Message]:
        """Let a run that takes data nobody has learnt from answer every cause that waits."""
        answer = Skip(SkipReason.DUPLICATE, f"run {run.run_id} began for another cause and answers this one too")
        return [said for one in await self.waiting(pipeline) for said in await self._skip(one, answer, run=run)]

    async def _join(self, heard: HeardCause, run: Run, *, releases: bool, due: bool) -> list[Message]:
        waits = await self._runs.claim(run.run_id) if releases and run.state is RunState.AWAITING_APPROVAL else None
        if waits and waits.state is RunState.AWAITING_APPROVAL:
            await self._runs.save(waits.approve(f"cause:{heard.cause.message_id}", self._now).run)
        detail = f"run {run.run_id} is {run.state.value}"
        if due:
            detail += "; the cause waits for its end, as there are data that it does not use"
        elif heard.wishes != run.wishes:
            detail += "; what was asked for beyond it is not taken over: ask again when it has finished"
        return await self._skip(heard, Skip(SkipReason.DUPLICATE, detail, due=due), run=run)

    async def _skip(self, heard: HeardCause, skip: Skip, *, run: Run | None = None) -> list[Message]:
        if not _changes(heard, skip):
            return []
        displaced = await self._take_the_place(heard) if skip.due else []
        kept = _kept(heard, skip, run_id=run.run_id if run else None)
        await self._causes.save(kept)
        return [*displaced, _told(kept)]

    async def _take_the_place(self, heard: HeardCause) -> list[Message]:
        """Let of two causes of a kind only the later wait, for both."""
        others = [one for one in await self._causes.due(heard.pipeline) if one.cause.kind is heard.cause.kind]
        answer = Skip(SkipReason.DUPLICATE, f"cause {heard.cause.message_id} of the same kind waits for both")
        kept = [_kept(one, answer) for one in others if one.cause.message_id != heard.cause.message_id]
        for one in kept:
            await self._causes.save(one)
        return [_told(one) for one in kept]


def _changes(heard: HeardCause, decision: Decision | None) -> bool:
    """Whether a decision is another than the one a waiting cause is known to wait by."""
    if isinstance(decision, Join):
        return not (heard.due and decision.due and heard.reason is SkipReason.DUPLICATE)
    if isinstance(decision, Skip):
        known = (heard.due, heard.reason, heard.waits_until, heard.waits_for_data_of)
        return not heard.due or known != (decision.due, decision.reason, decision.until, decision.for_data_of)
    return True


def _kept(heard: HeardCause, skip: Skip | None = None, *, run_id: UUID | None = None) -> HeardCause:
    return heard.model_copy(
        update={
            "run_id": run_id,
            "reason": skip.reason if skip else None,
            "detail": skip.detail if skip else "",
            "due": skip.due if skip else False,
            "waits_until": skip.until if skip else None,
            "waits_for_data_of": skip.for_data_of if skip else None,
        }
    )


def _told(heard: HeardCause) -> TrainingRunSkipped:
    assert heard.reason is not None
    return TrainingRunSkipped(
        pipeline=heard.pipeline,
        cause=heard.cause,
        reason=heard.reason,
        run_id=heard.run_id,
        detail=heard.detail,
        waits=heard.due,
        waits_until=heard.waits_until,
        waits_for_data_of=heard.waits_for_data_of,
    )
