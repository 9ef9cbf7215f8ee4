"""One training run: what it is, and how it goes from its cause to its end.

    debouncing ──▶ submitting ──▶ running ──▶ succeeded
        ▲              ▲  └──────┐   │  └───▶ failed
    awaiting_approval  └─ again ─┼───┤
                                 ▼   ▼
                               stopping ────▶ cancelled, failed, or submitting again

A transition takes the moment as an argument and returns the run after it, with what is to be said of it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AwareDatetime, ConfigDict, Field

from contracts.jobs import Progress, TrainingSpec
from contracts.message import Message
from contracts.model import Contract, Digest, PipelineName, Scalar, Uri, VersionNumber
from contracts.pipeline import Trainer, TrainerName, TriggerKind
from contracts.training import (
    Cause,
    FailureReason,
    TrainingRunFailed,
    TrainingRunProgressed,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause as Origin
from services.training.standing import Verdict

DETAIL_CHARACTERS = 4000
RUNS = uuid5(NAMESPACE_URL, "https://everloop.dev/runs")


class RunState(StrEnum):
    """Where a run stands."""

    DEBOUNCING = "debouncing"
    AWAITING_APPROVAL = "awaiting_approval"
    SUBMITTING = "submitting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing happens to the run any more."""
        return self in FINISHED


FINISHED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


class Wishes(Contract):
    """What a person asked for that differs from the pipeline as it is registered."""

    dataset_version: VersionNumber | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    seed: int | None = None


class Result(Contract):
    """What a run left in the store, as its report says."""

    report_uri: Uri
    report_digest: Digest
    bundle_uri: Uri
    bundle_digest: Digest
    metrics: dict[str, float]


def reserved_cpus(trainer: Trainer) -> float:
    """Say how many CPUs a run of a trainer holds while its job runs."""
    return trainer.cpus_per_worker * (trainer.workers if trainer.name is TrainerName.TORCH else 1)


def run_id_of(pipeline: str, message_id: str) -> UUID:
    """Name the one run a cause can have; the same at every redelivery."""
    return uuid5(RUNS, f"{pipeline}/{message_id}")


class Run(Contract):
    """A run. Ready means that its debounce is over; pinned, that its spec is fixed for good."""

    # A row written by a later release must not stop an earlier one from reading it.
    model_config = ConfigDict(extra="ignore")

    run_id: UUID
    pipeline: PipelineName
    cause: Cause
    origin: Origin
    wishes: Wishes = Wishes()
    labels: int = 0
    state: RunState
    created_at: AwareDatetime
    ready_at: AwareDatetime
    approved_by: str | None = None
    spec: TrainingSpec | None = None
    attempt: int = 0
    learnt_until: AwareDatetime | None = None
    """Time of the newest data the run learns from, or of its cause where that is later."""
    submitted_at: AwareDatetime | None = None
    attempted_at: AwareDatetime | None = None
    """When the cluster got the current attempt; unset between two."""
    compute_s: float = 0.0
    """What the attempts that have ended took."""
    running_since: AwareDatetime | None = None
    progress: Progress | None = None
    progress_said_at: AwareDatetime | None = None
    stop_reason: FailureReason | None = None
    failure: FailureReason | None = None
    detail: str = ""
    result: Result | None = None
    finished_at: AwareDatetime | None = None
    verdict: Verdict | None = None

    @property
    def submission_id(self) -> str:
        """Name of the current attempt on the cluster, which knows each name once."""
        return f"{self.run_id}-{self.attempt}"

    @property
    def automatic(self) -> bool:
        """Whether no person asked for the run."""
        return self.cause.kind is not TriggerKind.PERSON

    @property
    def begun_at(self) -> datetime | None:
        """When it was decided that the run begins; None while nobody has, and if it ended before its job began."""
        if self.state is RunState.AWAITING_APPROVAL or (self.state.finished and not self.attempt):
            return None
        return self.ready_at if self.approved_by else self.created_at

    @property
    def dataset_version(self) -> int | None:
        """The dataset version the run is bound to; None while it would take the newest."""
        return self.spec.dataset.version if self.spec else self.wishes.dataset_version

    @property
    def pinned(self) -> TrainingSpec:
        """The spec of a run that has one."""
        if self.spec is None:
            raise RejectedError("run_not_pinned", run_id=self.run_id, state=self.state.value)
        return self.spec

    def approve(self, by: str, now: datetime) -> "Change":
        """Let a run begin that waits for a person.

        Raises:
            RejectedError: It does not wait for one.
        """
        if self.state is not RunState.AWAITING_APPROVAL:
            raise RejectedError("run_not_awaiting_approval", run_id=self.run_id, state=self.state.value)
        return self._to(RunState.DEBOUNCING, approved_by=by, ready_at=now)

    def cancel(self, by: str, now: datetime) -> "Change":
        """Stop a run wherever it is; one that only waits ends at once.

        Raises:
            RejectedError: It has finished.
        """
        said = f"{by} said so"
        if self.state.finished:
            raise RejectedError("run_finished", run_id=self.run_id, state=self.state.value)
        if self.state is RunState.AWAITING_APPROVAL:
            return self.fail(FailureReason.REJECTED, said, now)
        if self.state is RunState.DEBOUNCING:
            return self.fail(FailureReason.CANCELLED, said, now)
        return self.stop(FailureReason.CANCELLED, said)

    def pin(self, spec: TrainingSpec, last_event: datetime | None = None) -> "Change":
        """Fix everything that decides what the run produces, from data up to the last event."""
        learnt = max(filter(None, (last_event, self.cause.as_of)), default=None)
        return self._to(RunState.SUBMITTING, spec=spec, attempt=1, learnt_until=learnt)

    def submitted(self, now: datetime) -> "Change":
        """Note that the cluster has the current attempt."""
        spec = self.pinned
        started = TrainingRunStarted(
            pipeline=self.pipeline,
            run_id=self.run_id,
            attempt=self.attempt,
            cause=self.cause,
            dataset_version=spec.dataset.version,
            dataset_digest=spec.dataset.digest,
            code_digest=spec.code.digest,
            champion_version=spec.champion.version if spec.champion else None,
            dataset_uri=spec.dataset.table_uri,
            commit=spec.code.commit,
            parameters=spec.parameters,
            seed=spec.seed,
        )
        first = self.submitted_at or now
        return self._to(RunState.RUNNING, started, submitted_at=first, attempted_at=now, running_since=None)

    def begun(self, now: datetime) -> "Change":
        """Note when the current attempt got its place on the cluster: its time limit counts from here."""
        return self._to(RunState.RUNNING, running_since=self.running_since or now)

    def progressed(self, progress: Progress, now: datetime) -> "Change":
        """Note a new line of the job's progress, and say it."""
        said = TrainingRunProgressed(
            pipeline=self.pipeline,
            run_id=self.run_id,
            stage=progress.stage,
            fraction=progress.fraction,
            metrics=progress.metrics,
        )
        return self._to(RunState.RUNNING, said, progress=progress, progress_said_at=now)

    def stop(self, reason: FailureReason, detail: str) -> "Change":
        """Have the current attempt stopped, for a reason that outlives it."""
        return self._to(RunState.STOPPING, stop_reason=reason, detail=detail[:DETAIL_CHARACTERS])

    def retry_or_fail(self, reason: FailureReason, detail: str, now: datetime) -> "Change":
        """Start the job again from its last checkpoint, or give up once its attempts are used."""
        if self.attempt >= self.pinned.definition.trainer.max_attempts:
            return self.fail(reason, detail, now)
        return self._to(
            RunState.SUBMITTING,
            attempt=self.attempt + 1,
            compute_s=self._taken(now),
            attempted_at=None,
            running_since=None,
            stop_reason=None,
            detail=detail[-DETAIL_CHARACTERS:],
        )

    def fail(self, reason: FailureReason, detail: str, now: datetime) -> "Change":
        """End the run without a model."""
        detail = detail[-DETAIL_CHARACTERS:]
        failed = TrainingRunFailed(
            pipeline=self.pipeline, run_id=self.run_id, reason=reason, detail=detail, attempts=self.attempt
        )
        state = RunState.CANCELLED if reason is FailureReason.CANCELLED else RunState.FAILED
        taken = self._taken(now)
        return self._to(state, failed, failure=reason, detail=detail, finished_at=now, compute_s=taken)

    def succeed(self, result: Result, now: datetime) -> "Change":
        """End the run with a model."""
        succeeded = TrainingRunSucceeded(
            pipeline=self.pipeline,
            run_id=self.run_id,
            report_uri=result.report_uri,
            report_digest=result.report_digest,
            bundle_uri=result.bundle_uri,
            bundle_digest=result.bundle_digest,
            dataset_version=self.pinned.dataset.version,
            metrics=result.metrics,
            duration_s=max((now - (self.submitted_at or now)) / timedelta(seconds=1), 0.0),
        )
        taken = self._taken(now)
        return self._to(RunState.SUCCEEDED, succeeded, result=result, detail="", finished_at=now, compute_s=taken)

    def judged(self, verdict: Verdict) -> "Run":
        """Note what became of the candidate; what was decided before that changes nothing."""
        if self.verdict and self.verdict.at >= verdict.at:
            return self
        return self.model_copy(update={"verdict": verdict})

    def tells(self, progress: Progress, now: datetime, *, every: timedelta) -> bool:
        """Whether a line of progress is worth saying: a new stage at once, else one line in a while."""
        if self.progress is None or self.progress_said_at is None or progress.stage != self.progress.stage:
            return True
        return progress != self.progress and now - self.progress_said_at >= every

    def overdue(self, now: datetime) -> bool:
        """Whether the current attempt has run longer than its pipeline allows."""
        limit = timedelta(seconds=self.pinned.definition.trainer.timeout_s)
        return self.running_since is not None and now - self.running_since > limit

    def unchanged(self) -> "Change":
        """Leave the run as it is and say nothing."""
        return Change(self)

    def _taken(self, now: datetime) -> float:
        """Compute-seconds of all attempts, the current one ending now."""
        since = self.running_since or self.attempted_at
        if since is None:
            return self.compute_s
        return self.compute_s + max((now - since).total_seconds(), 0.0) * reserved_cpus(self.pinned.definition.trainer)

    def _to(self, state: RunState, *says: Message, **fields: object) -> "Change":
        return Change(self.model_copy(update={"state": state, **fields}), says)


class Change(NamedTuple):
    """A run after a transition, and what is to be said of it."""

    run: Run
    says: tuple[Message, ...] = ()
