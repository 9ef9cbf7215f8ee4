"""What training answers over HTTP: pipelines, runs, and what became of every cause."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from contracts.message import Command, utc_now
from contracts.training import ApproveTrainingRun, CancelTrainingRun, StartTrainingRun
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.chassis.jobs import Jobs
from services.chassis.subscriptions import Cause
from services.training.domain import Pipeline, heaviest_first
from services.training.ports import Causes, Pipelines, RunFiles, Runs
from services.training.run import Run
from services.training.situations import allowance, next_scheduled, refused_in_a_row, waits
from services.training.views import (
    BackoffView,
    BudgetView,
    LogView,
    PipelineSummary,
    PipelineView,
    RetrainingView,
    RevisionView,
    RunView,
    TriggerView,
    WaitingView,
)

router = APIRouter(tags=["training"])

Limit = Annotated[int, Query(ge=1, le=500)]
Lines = Annotated[int, Query(ge=1, le=2000)]


class Person(BaseModel):
    """Who says so."""

    by: str = Field(min_length=1, max_length=200)


class Accepted(BaseModel):
    """The wish was taken; ``/v1/triggers?correlation_id=`` tells what becomes of it."""

    correlation_id: str
    pipeline: str


@router.get("/pipelines")
async def list_pipelines(tx: Tx) -> list[PipelineSummary]:
    """List the pipelines by name."""
    return [PipelineSummary.of(pipeline) for pipeline in await tx.port(Pipelines).all()]


@router.get("/pipelines/{name}")
async def get_pipeline(name: str, tx: Tx) -> PipelineView:
    """Get a pipeline: what is in force, what was before, which causes wait, and what is left of the day's budget."""
    pipeline = await _known(name, tx)
    dataset = await tx.port(Pipelines).dataset(name)
    retraining = await _retraining(pipeline, tx)
    return PipelineView(
        **PipelineSummary.of(pipeline).model_dump(),
        definition=pipeline.definition,
        code=pipeline.code,
        champion=pipeline.champion,
        dataset=dataset.ref if dataset else None,
        due=retraining.waiting[0].cause if retraining.waiting else None,
        retraining=retraining,
        revisions=[
            RevisionView(revision=kept.revision, registered_at=kept.registered_at, code=kept.code)
            for kept in await tx.port(Pipelines).revisions(name)
        ],
    )


@router.get("/runs")
async def list_runs(tx: Tx, pipeline: str | None = None, limit: Limit = 50) -> list[RunView]:
    """List runs, newest first."""
    return [_run_view(run, tx) for run in await tx.port(Runs).recent(pipeline, limit=limit)]


@router.post("/runs", status_code=202)
async def start_run(command: StartTrainingRun, tx: Tx) -> Accepted:
    """Ask for a run; the answer comes before the decision."""
    await _known(command.pipeline, tx)
    return _accept(command, tx)


@router.post("/runs/{run_id}/approve", status_code=202)
async def approve_run(run_id: UUID, person: Person, tx: Tx) -> Accepted:
    """Ask for a run to begin that waits for a person."""
    run = await _run(run_id, tx)
    return _accept(ApproveTrainingRun(pipeline=run.pipeline, run_id=run_id, approved_by=person.by), tx)


@router.post("/runs/{run_id}/cancel", status_code=202)
async def cancel_run(run_id: UUID, person: Person, tx: Tx) -> Accepted:
    """Ask for a run to be stopped, or refused where it waits for a person."""
    run = await _run(run_id, tx)
    return _accept(CancelTrainingRun(pipeline=run.pipeline, run_id=run_id, requested_by=person.by), tx)


@router.get("/runs/{run_id}")
async def get_run(run_id: UUID, tx: Tx) -> RunView:
    """Get a run."""
    return _run_view(await _run(run_id, tx), tx)


@router.get("/runs/{run_id}/logs")
async def get_logs(run_id: UUID, tx: Tx, lines: Lines = 200) -> LogView:
    """Get the last lines of a run's latest attempt, as long as the cluster has them."""
    run = await _run(run_id, tx)
    if run.spec is None:
        raise RejectedError("log_not_found", run_id=run_id, state=run.state.value)
    return LogView(submission_id=run.submission_id, text=await tx.port(Jobs).logs(run.submission_id, lines=lines))


@router.get("/triggers")
async def list_triggers(
    tx: Tx, pipeline: str | None = None, correlation_id: str | None = None, limit: Limit = 50
) -> list[TriggerView]:
    """List causes, newest first, of one pipeline or of one story."""
    causes = tx.port(Causes)
    if correlation_id is None:
        return [TriggerView.of(heard) for heard in await causes.recent(pipeline, limit=limit)]
    story = await causes.of_story(correlation_id)
    return [TriggerView.of(heard) for heard in story if pipeline in (None, heard.pipeline)][:limit]


async def _retraining(pipeline: Pipeline, tx: Tx) -> RetrainingView:
    now, runs, causes = utc_now(), tx.port(Runs), tx.port(Causes)
    left = await allowance(pipeline, runs, now)
    return RetrainingView(
        waiting=[WaitingView.of(one) for one in heaviest_first(await causes.due(pipeline.name))],
        budget=BudgetView.of(left) if left else None,
        backoffs=[BackoffView.of(wait) for wait in await waits(pipeline, runs)],
        refused=[run.run_id for run in await refused_in_a_row(pipeline, runs)],
        degraded=pipeline.degraded,
        escalated_at=pipeline.escalated_at,
        next_scheduled=await next_scheduled(pipeline, runs, causes, now),
    )


async def _known(name: str, tx: Tx) -> Pipeline:
    pipeline = await tx.port(Pipelines).get(name)
    if pipeline is None:
        raise RejectedError("pipeline_not_found", pipeline=name)
    return pipeline


async def _run(run_id: UUID, tx: Tx) -> Run:
    run = await tx.port(Runs).get(run_id)
    if run is None:
        raise RejectedError("run_not_found", run_id=run_id)
    return run


def _run_view(run: Run, tx: Tx) -> RunView:
    return RunView.of(run, spec_uri=tx.port(RunFiles).spec_uri(run.spec) if run.spec else None)


def _accept(command: Command, tx: Tx) -> Accepted:
    now = utc_now()
    request_id = str(uuid4())
    tx.say(command, cause=Cause(message_id=request_id, correlation_id=request_id, said_at=now, received_at=now))
    return Accepted(correlation_id=request_id, pipeline=command.pipeline)
