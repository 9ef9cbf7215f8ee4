"""Looks up what a decision depends on, and where a pipeline stands."""

from collections.abc import Sequence
from datetime import datetime

from contracts.pipeline import Trigger, TriggerKind
from services.training import schedule
from services.training.budget import Allowance, day_of
from services.training.domain import Pipeline, Situation
from services.training.ports import Causes, Pipelines, Runs
from services.training.run import Run
from services.training.standing import Wait, wait_of


async def situation_of(
    kind: TriggerKind, pipeline: Pipeline, pipelines: Pipelines, runs: Runs, now: datetime
) -> Situation:
    """Look up what a decision about a cause of some kind depends on."""
    newest = await pipelines.dataset(pipeline.name)
    history = await runs.history(pipeline.name)
    return Situation(
        retraining=pipeline.definition.retraining,
        newest=newest.ref.version if newest else None,
        active=await runs.active(pipeline.name),
        used=history.used,
        last_as_of=history.last_as_of,
        new_rows=await pipelines.new_rows(pipeline.name, history.used or 0),
        new_labels=pipeline.labels - history.labels,
        last_event=newest.last_event if newest else None,
        wait=next((wait for wait in await waits(pipeline, runs) if wait.kind is kind), None),
        allowance=await allowance(pipeline, runs, now),
    )


async def allowance(pipeline: Pipeline, runs: Runs, now: datetime) -> Allowance | None:
    """Look up what is left of the day's budget; None without one."""
    budget = pipeline.definition.retraining.budget
    if budget is None:
        return None
    begins, ends = day_of(budget, now)
    return Allowance(budget, await runs.spent(pipeline.name, begins), ends)


async def waits(pipeline: Pipeline, runs: Runs) -> list[Wait]:
    """Look up which kinds of causes wait after refusals, and how long."""
    refused = await refused_in_a_row(pipeline, runs)
    found = (_wait(kind, pipeline, [run for run in refused if run.cause.kind is kind]) for kind in TriggerKind)
    return [wait for wait in found if wait]


async def refused_in_a_row(pipeline: Pipeline, runs: Runs) -> list[Run]:
    """List the runs that led to no better model since the last one that did, or a person acted, newest first."""
    return await runs.refused(pipeline.name, after=pipeline.registered_at)


def schedule_of(pipeline: Pipeline) -> Trigger | None:
    """Find the trigger of a pipeline that goes by the clock, if it has one."""
    return next((one for one in pipeline.definition.retraining.triggers if one.on is TriggerKind.SCHEDULE), None)


async def fallen_due(pipeline: Pipeline, runs: Runs, causes: Causes, now: datetime) -> datetime | None:
    """Look up when a pipeline's schedule last fell due, if it has since it last spoke."""
    trigger = schedule_of(pipeline)
    if trigger is None:
        return None
    last_turn, last_run = await _since(pipeline, runs, causes)
    return schedule.fallen_due(trigger, last_turn=last_turn, last_run=last_run, now=now)


async def next_scheduled(pipeline: Pipeline, runs: Runs, causes: Causes, now: datetime) -> datetime | None:
    """Look up when a pipeline's schedule falls due next; None without one."""
    trigger = schedule_of(pipeline)
    if trigger is None:
        return None
    last_turn, last_run = await _since(pipeline, runs, causes)
    return schedule.next_turn(trigger, last_turn=last_turn, last_run=last_run, now=now)


def _wait(kind: TriggerKind, pipeline: Pipeline, refused: Sequence[Run]) -> Wait | None:
    learnt_until = max((run.learnt_until for run in refused if run.learnt_until), default=None)
    return wait_of(kind, pipeline.definition, len(refused), learnt_until)


async def _since(pipeline: Pipeline, runs: Runs, causes: Causes) -> tuple[datetime, datetime | None]:
    """Look up when a pipeline's schedule last spoke, or began to count, and when the latest run began."""
    spoken = await causes.last_scheduled(pipeline.name)
    return max(filter(None, (pipeline.registered_at, spoken))), (await runs.history(pipeline.name)).last_at
