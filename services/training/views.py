"""How training renders what it knows for HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from contracts.bundle import DatasetRef
from contracts.jobs import ChampionRef, Progress
from contracts.pipeline import PipelineDefinition, TriggerKind
from contracts.training import Cause as RunCause
from contracts.training import CodeSnapshot, FailureReason, SkipReason
from services.training.budget import Allowance
from services.training.domain import HeardCause, Pipeline
from services.training.run import Run, RunState
from services.training.standing import Degradation, Verdict, Wait


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


class WaitingView(BaseModel):
    """A cause that waits: why, and until when, by the clock or in the time of the data."""

    cause: RunCause
    correlation_id: str
    heard_at: datetime
    reason: SkipReason | None
    detail: str
    until: datetime | None
    for_data_of: datetime | None

    @classmethod
    def of(cls, heard: HeardCause) -> "WaitingView":
        """Render a cause that waits."""
        return cls(
            cause=heard.cause,
            correlation_id=heard.origin.correlation_id,
            heard_at=heard.heard_at,
            reason=heard.reason,
            detail=heard.detail,
            until=heard.waits_until,
            for_data_of=heard.waits_for_data_of,
        )


class BudgetView(BaseModel):
    """What today's runs took, and what is left; unset: not limited."""

    runs: int
    runs_left: int | None
    compute_s: float
    compute_left_s: float | None
    expected_s: float
    exhausted: str | None
    ends_at: datetime

    @classmethod
    def of(cls, allowance: Allowance) -> "BudgetView":
        """Render what is left of a day's budget."""
        return cls(
            runs=allowance.spent.runs,
            runs_left=allowance.runs_left,
            compute_s=allowance.spent.compute_s,
            compute_left_s=allowance.compute_left_s,
            expected_s=allowance.spent.expected_s,
            exhausted=allowance.exhausted,
            ends_at=allowance.ends_at,
        )


class BackoffView(BaseModel):
    """How long causes of a kind wait after refusals, in the time of the data."""

    kind: TriggerKind
    refusals: int
    until: datetime

    @classmethod
    def of(cls, wait: Wait) -> "BackoffView":
        """Render a wait."""
        return cls(kind=wait.kind, refusals=wait.refusals, until=wait.until)


class RetrainingView(BaseModel):
    """Whether a pipeline trains again by itself, and what is in its way."""

    waiting: list[WaitingView]
    budget: BudgetView | None
    backoffs: list[BackoffView]
    refused: list[UUID]
    """Runs in a row that led to no better model, newest first."""
    degraded: Degradation | None
    escalated_at: datetime | None
    next_scheduled: datetime | None


class PipelineView(PipelineSummary):
    """Everything training knows about a pipeline."""

    definition: PipelineDefinition
    code: CodeSnapshot
    champion: ChampionRef | None
    dataset: DatasetRef | None
    due: RunCause | None
    retraining: RetrainingView
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
    compute_s: float
    verdict: Verdict | None
    metrics: dict[str, float]
    report_uri: str | None
    bundle_uri: str | None
    bundle_digest: str | None

    @classmethod
    def of(cls, run: Run, *, spec_uri: str | None) -> "RunView":
        """Render a run."""
        spec, result = run.spec, run.result
        return cls(
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
            spec_uri=spec_uri,
            submission_id=run.submission_id if spec else None,
            created_at=run.created_at,
            submitted_at=run.submitted_at,
            running_since=run.running_since,
            finished_at=run.finished_at,
            progress=run.progress,
            failure=run.failure,
            detail=run.detail,
            compute_s=run.compute_s,
            verdict=run.verdict,
            metrics=result.metrics if result else {},
            report_uri=result.report_uri if result else None,
            bundle_uri=result.bundle_uri if result else None,
            bundle_digest=result.bundle_digest if result else None,
        )


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
    waits_until: datetime | None
    waits_for_data_of: datetime | None

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
            waits_until=heard.waits_until,
            waits_for_data_of=heard.waits_for_data_of,
        )
