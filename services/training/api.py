"""What training answers over HTTP: pipelines, runs, and what became of every cause."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.bundle import DatasetRef
from contracts.jobs import ChampionRef, Progress
from contracts.pipeline import PipelineDefinition
from contracts.training import Cause as RunCause
from contracts.training import CodeSnapshot, FailureReason, SkipReason, StartTrainingRun
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.chassis.subscriptions import Cause
from services.training.domain import HeardCause, Pipeline
from services.training.ports import Causes, Cluster, Pipelines, RunFiles, Runs
from services.training.run import Run, RunState

router = APIRouter(tags=["training"])

Limit = Annotated[int, Query(ge=1, le=500)]
Lines = Annotated[int, Query(ge=1, le=2000)]


class PipelineSummary(BaseModel):
    """One line of the pipelines."""

    name: str
    description: str
    revision: int
    registered_at: datetime
    code_digest: str
    champion_version: int | None

    @classmethod
    def of(cls, pipeline: Pipeline) -> "PipelineSummary":
        """Render a pipeline."""
        return cls(
            name=pipeline.name,
            description=pipeline.definition.description,
            revision=pipeline.revision,
            registered_at=pipeline.registered_at,
            code_digest=pipeline.code.digest,
            champion_version=pipeline.champion.version if pipeline.champion else None,
        )


class RevisionView(BaseModel):
    """When a definition and code came into force."""

    revision: int
    registered_at: datetime
    code: CodeSnapshot


class PipelineView(PipelineSummary):
    """Everything training knows about a pipeline."""

    definition: PipelineDefinition
    code: CodeSnapshot
    champion: ChampionRef | None
    dataset: DatasetRef | None
    due: RunCause | None
    revisions: list[RevisionView]


class RunView(BaseModel):
    """A run, from its cause to what it left."""

    run_id: UUID
    pipeline: str
    state: RunState
    cause: RunCause
    correlation_id: str
    attempts: int
    approved_by: str | None
    dataset_version: int | None
    code_digest: str | None
    champion_version: int | None
    spec_uri: str | None
    submission_id: str | None
    created_at: datetime
    submitted_at: datetime | None
    running_since: datetime | None
    finished_at: datetime | None
    progress: Progress | None
    failure: FailureReason | None
    detail: str
    metrics: dict[str, float]
    report_uri: str | None
    bundle_uri: str | None
    bundle_digest: str | None


class LogView(BaseModel):
    """The last lines that an attempt wrote."""

    submission_id: str
    text: str


class TriggerView(BaseModel):
    """A cause that was heard: its run, or why it has none of its own."""

    pipeline: str
    cause: RunCause
    correlation_id: str
    heard_at: datetime
    run_id: UUID | None
    skipped: SkipReason | None
    detail: str
    due: bool

    @classmethod
    def of(cls, heard: HeardCause) -> "TriggerView":
        """Render a cause."""
        return cls(
            pipeline=heard.pipeline,
            cause=heard.cause,
            correlation_id=heard.origin.correlation_id,
            heard_at=heard.heard_at,
            run_id=heard.run_id,
            skipped=heard.reason,
            detail=heard.detail,
            due=heard.due,
        )


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
    """Get a pipeline: what is in force, what was before, and the cause that waits for data."""
    pipeline = await _known(name, tx)
    dataset = await tx.port(Pipelines).dataset(name)
    due = await tx.port(Causes).due(name)
    return PipelineView(
        **PipelineSummary.of(pipeline).model_dump(),
        definition=pipeline.definition,
        code=pipeline.code,
        champion=pipeline.champion,
        dataset=dataset.ref if dataset else None,
        due=due.cause if due else None,
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
    now = datetime.now(UTC)
    request_id = str(uuid4())
    tx.say(command, cause=Cause(message_id=request_id, correlation_id=request_id, said_at=now, received_at=now))
    return Accepted(correlation_id=request_id, pipeline=command.pipeline)


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
    return LogView(submission_id=run.submission_id, text=await tx.port(Cluster).logs(run.submission_id, lines=lines))


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
    spec, result = run.spec, run.result
    return RunView(
        run_id=run.run_id,
        pipeline=run.pipeline,
        state=run.state,
        cause=run.cause,
        correlation_id=run.origin.correlation_id,
        attempts=run.attempt,
        approved_by=run.approved_by,
        dataset_version=run.dataset_version,
        code_digest=spec.code.digest if spec else None,
        champion_version=spec.champion.version if spec and spec.champion else None,
        spec_uri=tx.port(RunFiles).spec_uri(spec) if spec else None,
        submission_id=run.submission_id if spec else None,
        created_at=run.created_at,
        submitted_at=run.submitted_at,
        running_since=run.running_since,
        finished_at=run.finished_at,
        progress=run.progress,
        failure=run.failure,
        detail=run.detail,
        metrics=result.metrics if result else {},
        report_uri=result.report_uri if result else None,
        bundle_uri=result.bundle_uri if result else None,
        bundle_digest=result.bundle_digest if result else None,
    )
