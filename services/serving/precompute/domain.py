"""When a precomputation is wanted, and how far one has come. No I/O.

    pending ──▶ submitting ──▶ running ──▶ completed ──▶ deleting ──▶ deleted
       │             ▲            │                          ▲
       │             └── crashed ─┤                          │
       └────────────┴─────────────┴──▶ failed ───────────────┘

Of one model at most one is submitted or runs. A newer one makes those before it superfluous. Files that nobody needs
any more are deleted; ``retention`` says when.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from pydantic import AwareDatetime

from contracts.bundle import DatasetRef
from contracts.jobs import REFUSED_EXIT_CODE, PredictionReport, PredictionSpec
from contracts.message import Message
from contracts.model import Contract, Digest, PipelineName, Uri, VersionNumber
from contracts.precompute import (
    PrecomputationCompleted,
    PrecomputationFailed,
    PrecomputationFailure,
    PrecomputationStarted,
    Precompute,
)
from services.chassis.jobs import Job, JobStatus
from services.chassis.subscriptions import Cause

PRECOMPUTATIONS = UUID("0b6f1c52-93a3-4f0e-8a51-6a1f4bb2f7c4")
"""Namespace: what is wanted twice for the same reason is one precomputation."""
LONGEST_DETAIL = 4000


class Dataset(Contract):
    """The newest version of a pipeline's dataset, as serving heard of it."""

    ref: DatasetRef
    rows: int
    cause: Cause


class Plan(Contract):
    """What a pipeline wants precomputed, and of which rows."""

    pipeline: PipelineName
    precompute: Precompute | None = None
    key: tuple[str, ...] = ()
    dataset: Dataset | None = None


class Candidate(Contract):
    """The version that answers, since when, and why."""

    version: VersionNumber
    bundle_uri: Uri
    bundle_digest: Digest
    since: AwareDatetime
    cause: Cause


class State(StrEnum):
    """How far a precomputation has come."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    DELETING = "deleting"
    """Nobody is offered it any more, and its files go."""
    DELETED = "deleted"


OPEN = frozenset({State.PENDING, State.SUBMITTING, State.RUNNING})
"""States of a precomputation that is not over."""

GONE = frozenset({State.DELETING, State.DELETED})
"""States of a precomputation whose files nobody must count on."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Why a precomputation is wanted; automatic ones are wanted once for one reason."""

    id: UUID
    cause: Cause
    requested_by: str
    reason: str

    def anew(self) -> Self:
        """Wish the same once more, after what came of it was deleted."""
        return replace(self, id=uuid5(self.id, "anew"))


class Precomputation(Contract):
    """One batch prediction of one dataset version by one model version."""

    id: UUID
    pipeline: PipelineName
    version: VersionNumber
    bundle_uri: Uri
    bundle_digest: Digest
    dataset: DatasetRef
    rows: int
    key: tuple[str, ...]
    rules: Precompute
    cause: Cause
    requested_by: str
    reason: str
    requested_at: AwareDatetime
    state: State = State.PENDING
    attempt: int = 0
    running_since: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    failure: PrecomputationFailure | None = None
    detail: str = ""
    report: PredictionReport | None = None
    unneeded_since: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None

    @property
    def submission_id(self) -> str:
        """Name of the current attempt's job on the cluster."""
        return f"precompute-{self.id}-{self.attempt}"

    def specify(self, folder: Uri) -> PredictionSpec:
        """Write what the job is to do; every attempt is given the same.

        Args:
            folder: Below which all precomputations of the pipeline lie.
        """
        return PredictionSpec(
            precomputation_id=self.id,
            version=self.version,
            bundle_uri=self.bundle_uri,
            bundle_digest=self.bundle_digest,
            dataset=self.dataset,
            rows=self.rows,
            key=self.key,
            in_process_max_rows=self.rules.in_process_max_rows,
            table_uri=f"{folder}/table",
            output_uri=f"{folder}/{self.id}",
        )

    def _changed(self, **changes: object) -> Self:
        return self.model_copy(update=changes)

    def renewed(self, wanted: Wish, now: datetime) -> Self:
        """Want again what had made way for a newer one, as after a way back to the former version."""
        over = {"finished_at": None, "failure": None, "detail": "", "unneeded_since": None}
        return self._changed(state=State.PENDING, cause=wanted.cause, requested_at=now, **over)

    def is_missed(self, version: int) -> bool:
        """Tell whether a version has no scores because these were deleted, not because they can't be had."""
        can_be_had = self.failure in (None, PrecomputationFailure.SUPERSEDED)
        return self.state in GONE and self.version == version and can_be_had

    def begin(self) -> Self:
        """Let the next attempt be submitted."""
        return self._changed(state=State.SUBMITTING, attempt=self.attempt + 1, running_since=None)

    def submitted(self) -> tuple[Self, list[Message]]:
        """Note that the cluster has the job."""
        started = PrecomputationStarted(
            pipeline=self.pipeline,
            precomputation_id=self.id,
            version=self.version,
            dataset_version=self.dataset.version,
            attempt=self.attempt,
            requested_by=self.requested_by,
            reason=self.reason,
        )
        return self._changed(state=State.RUNNING), [started]

    def completed(self, report: PredictionReport, now: datetime) -> tuple[Self, list[Message]]:
        """Note what the job left, if it is what was asked for."""
        expected = (self.id, self.pipeline, self.version, self.bundle_digest, self.dataset)
        found = (report.precomputation_id, report.pipeline, report.version, report.bundle_digest, report.dataset)
        if found != expected:
            return self.failed(PrecomputationFailure.REFUSED, "the report is another precomputation's", now)
        if report.rows != self.rows:
            detail = f"{report.rows} rows were scored, and the dataset version has {self.rows}"
            return self.failed(PrecomputationFailure.REFUSED, detail, now)
        fact = PrecomputationCompleted(
            pipeline=self.pipeline,
            precomputation_id=self.id,
            version=self.version,
            dataset_version=self.dataset.version,
            table_uri=report.table_uri,
            delta_version=report.delta_version,
            rows=report.rows,
            lookup_uri=report.lookup.uri,
            lookup_digest=report.lookup.digest,
            keys=report.lookup.keys,
            duplicates=report.lookup.duplicates,
            without_key=report.lookup.without_key,
            duration_s=max(0.0, (now - self.requested_at).total_seconds()),
        )
        return self._changed(state=State.COMPLETED, finished_at=now, report=report), [fact]

    def failed(self, failure: PrecomputationFailure, detail: str, now: datetime) -> tuple[Self, list[Message]]:
        """Give up."""
        fact = PrecomputationFailed(
            pipeline=self.pipeline,
            precomputation_id=self.id,
            version=self.version,
            dataset_version=self.dataset.version,
            reason=failure,
            detail=detail[-LONGEST_DETAIL:],
            attempts=self.attempt,
        )
        changed = self._changed(state=State.FAILED, finished_at=now, failure=failure, detail=fact.detail)
        return changed, [fact]


def wish(plan: Plan, candidate: Candidate) -> Wish | None:
    """Say which precomputation the plan asks for by itself; None if it asks for none.

    The wish's id is the same as long as what it depends on is: asking again is asking for nothing new.
    """
    rules, dataset = plan.precompute, plan.dataset
    if rules is None or dataset is None or not (rules.on_promotion or rules.on_dataset):
        return None
    version = str(candidate.version) if rules.on_promotion else "any"
    rows = str(dataset.ref.version) if rules.on_dataset else "any"
    id_ = uuid5(PRECOMPUTATIONS, f"{plan.pipeline} {version} {rows} {' '.join(plan.key)}")
    if rules.on_dataset and (not rules.on_promotion or dataset.cause.said_at > candidate.since):
        return Wish(id_, dataset.cause, "policy:dataset", f"the dataset has version {rows}")
    return Wish(id_, candidate.cause, "policy:promotion", f"version {version} answers")


def precomputation(plan: Plan, candidate: Candidate, wanted: Wish, *, now: datetime) -> Precomputation:
    """Make a precomputation of the newest rows by the version that answers.

    Raises:
        LookupError: The plan has no rules or no dataset.
    """
    if plan.precompute is None or plan.dataset is None:
        raise LookupError(f"nothing of {plan.pipeline} can be precomputed")
    return Precomputation(
        id=wanted.id,
        pipeline=plan.pipeline,
        version=candidate.version,
        bundle_uri=candidate.bundle_uri,
        bundle_digest=candidate.bundle_digest,
        dataset=plan.dataset.ref,
        rows=plan.dataset.rows,
        key=plan.key,
        rules=plan.precompute,
        cause=wanted.cause,
        requested_by=wanted.requested_by,
        reason=wanted.reason,
        requested_at=now,
    )


def superfluous(one: Precomputation, others: Sequence[Precomputation]) -> Precomputation | None:
    """Find the newer one of the same model that an open precomputation makes way for."""
    newer = [other for other in others if other.id != one.id and other.requested_at > one.requested_at]
    return max(newer, key=lambda other: other.requested_at, default=None)


def overdue(one: Precomputation, job: Job, now: datetime) -> bool:
    """Tell whether an attempt has run too long; waiting for a place on the cluster does not count."""
    running = job.status is JobStatus.RUNNING and one.running_since is not None
    return running and now - (one.running_since or now) > timedelta(seconds=one.rules.timeout_s)


def follow(
    one: Precomputation, job: Job, report: PredictionReport | None, now: datetime
) -> tuple[Precomputation, list[Message]]:
    """Say what the state of its job means for a running precomputation.

    Args:
        one: In the state running.
        job: Of its current attempt.
        report: What the job left, if it left anything that can be read.
        now: The time.
    """
    if not job.status.ended:
        if job.status is JobStatus.RUNNING and one.running_since is None:
            return one.model_copy(update={"running_since": now}), []
        return one, []
    if job.status in (JobStatus.SUCCEEDED, JobStatus.UNKNOWN) and report:
        return one.completed(report, now)
    if job.exit_code == REFUSED_EXIT_CODE:
        return one.failed(PrecomputationFailure.REFUSED, job.last_words, now)
    if one.attempt < one.rules.max_attempts:
        return one.begin(), []
    detail = job.last_words or f"the job ended as {job.status.value} and left no report"
    return one.failed(PrecomputationFailure.CRASHED, detail, now)
