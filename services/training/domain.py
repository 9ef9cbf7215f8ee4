"""What training decides: whether a cause leads to a run of its own, and what a job's state means for its run.

A *cause* is a fact or a wish that speaks for training again. Each leads to at most one run; a pipeline has at
most one run that is not finished. A cause that comes before the data it needs is *due*: it is remembered and
leads to its run when the data arrive.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from pydantic import AwareDatetime

from contracts.bundle import DatasetRef
from contracts.jobs import REFUSED_EXIT_CODE, ChampionRef, TrainingSpec
from contracts.model import Contract
from contracts.pipeline import PipelineDefinition, Policy, Retraining, Trigger, TriggerKind
from contracts.training import Cause, CodeSnapshot, FailureReason, SkipReason
from services.chassis.errors import MalformedError
from services.chassis.jobs import Job, JobStatus
from services.chassis.subscriptions import Cause as Origin
from services.training.run import Change, Result, Run, Wishes


class Pipeline(Contract):
    """A registered pipeline as it is in force."""

    definition: PipelineDefinition
    code: CodeSnapshot
    registered_at: AwareDatetime
    revision: int = 1
    champion: ChampionRef | None = None
    labels: int = 0

    @property
    def name(self) -> str:
        """Name of the pipeline and of its model."""
        return self.definition.name


class Dataset(Contract):
    """A version of a pipeline's dataset."""

    ref: DatasetRef
    rows: int
    new_rows: int
    last_event: AwareDatetime


class HeardCause(Contract):
    """A cause and what became of it: a run of its own, or the reason why not."""

    pipeline: str
    cause: Cause
    origin: Origin
    wishes: Wishes = Wishes()
    heard_at: AwareDatetime
    run_id: UUID | None = None
    reason: SkipReason | None = None
    detail: str = ""
    due: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision about one pipeline depends on."""

    retraining: Retraining
    newest: int | None
    """Newest dataset version; None without any."""
    active: Run | None
    """The run that is not finished."""
    used: int | None
    """Newest dataset version that a model was trained on; None before the first model."""
    last_as_of: datetime | None
    """Data time of the latest automatic run's cause, however that run ended."""
    new_rows: int = 0
    """Rows that came after the version ``used``."""
    new_labels: int = 0
    """Labels that came since the latest run began."""


@dataclass(frozen=True, slots=True)
class Start:
    """The cause gets a run of its own."""

    asks: bool = False
    """Whether a person must approve it first."""


@dataclass(frozen=True, slots=True)
class Join:
    """The unfinished run answers the cause too."""

    run: Run
    releases: bool = False
    """Whether the cause needs no approval, so that the run need not wait for one any longer."""
    due: bool = False
    """Whether the run began before the newest data, so that the cause outlives it."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The cause leads to no run."""

    reason: SkipReason
    detail: str
    due: bool = False
    """Whether it will, as soon as there are new data."""


Decision = Start | Join | Skip


def check(pipeline: str, definition: PipelineDefinition) -> None:
    """Refuse a definition that contradicts itself or its address.

    Raises:
        MalformedError: The names differ, or two triggers answer the same kind of cause.
    """
    if definition.name != pipeline:
        raise MalformedError("pipeline_name_differs", address=pipeline, definition=definition.name)
    kinds = [trigger.on.value for trigger in definition.retraining.triggers]
    if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        raise MalformedError("trigger_declared_twice", triggers=", ".join(twice))


def decide(cause: Cause, situation: Situation) -> Decision | None:
    """Decide what a cause leads to; None if the pipeline asks for nothing when this happens."""
    policy = _policy(cause, situation)
    if policy is None:
        return None
    if situation.newest is None:
        return Skip(SkipReason.NO_DATA, "no dataset has been ingested yet")
    if policy is Policy.NOTIFY:
        return Skip(SkipReason.POLICY, "the policy of this trigger is notify: people are told, nothing starts")
    if situation.active is not None:
        return _join(situation.active, situation.newest, policy)
    if cause.kind is TriggerKind.PERSON:
        return Start()
    cooldown = situation.retraining.cooldown
    if _cooling(cause.as_of, situation.last_as_of, cooldown):
        return Skip(SkipReason.COOLDOWN, f"less than {cooldown} of data time after the cause of the run before")
    if situation.used is not None and situation.newest <= situation.used:
        return Skip(
            SkipReason.NO_NEW_DATA,
            f"dataset version {situation.newest} has been learnt from; the cause waits for the next",
            due=cause.kind is not TriggerKind.DATA,
        )
    return Start(asks=policy is Policy.ASK)


_WEIGHTS = (
    TriggerKind.DATA,
    TriggerKind.SCHEDULE,
    TriggerKind.LABELS,
    TriggerKind.DRIFT,
    TriggerKind.QUALITY,
    TriggerKind.PERSON,
)


def outweighs(cause: Cause, other: Cause) -> bool:
    """Whether a later cause takes an earlier one's place as the one that is due; equals do."""
    return _WEIGHTS.index(cause.kind) >= _WEIGHTS.index(other.kind)


def scheduled(trigger: Trigger, last: datetime, now: datetime) -> datetime | None:
    """Say when a schedule fell due, if it has.

    Args:
        trigger: One with ``every`` set.
        last: When the latest of these was: registration, a run's beginning, the schedule's last turn.
        now: The present.
    """
    due = last + (trigger.every or timedelta.max)
    return due if due <= now else None


def specify(run: Run, pipeline: Pipeline, dataset: Dataset, output_uri: str) -> TrainingSpec:
    """Write down everything that decides what a run produces."""
    definition = pipeline.definition
    return TrainingSpec(
        run_id=run.run_id,
        definition=definition,
        dataset=dataset.ref,
        code=pipeline.code,
        parameters={**definition.trainer.parameters, **run.wishes.parameters},
        seed=definition.seed if run.wishes.seed is None else run.wishes.seed,
        champion=pipeline.champion,
        output_uri=output_uri,
    )


def follow(run: Run, job: Job, result: Result | None, now: datetime) -> Change:
    """Say what the state of its job means for a running run.

    Args:
        run: In the state running.
        job: Its current attempt on the cluster.
        result: What the run left in the store, looked up where the job no longer runs.
        now: The present.
    """
    match job.status:
        case JobStatus.PENDING:
            return run.unchanged()
        case JobStatus.RUNNING:
            if run.overdue(now):
                return run.stop(FailureReason.TIMED_OUT, f"ran longer than {run.pinned.definition.trainer.timeout_s} s")
            return run.unchanged() if run.running_since else run.begun(now)
        case JobStatus.SUCCEEDED | JobStatus.UNKNOWN if result:
            return run.succeed(result, now)
        case JobStatus.SUCCEEDED:
            return run.retry_or_fail(FailureReason.CRASHED, "the job ended well but left no readable report", now)
        case JobStatus.UNKNOWN:
            return run.retry_or_fail(FailureReason.CRASHED, "the cluster does not know the job any more", now)
        case JobStatus.FAILED if job.exit_code == REFUSED_EXIT_CODE:
            return run.fail(FailureReason.REJECTED, job.last_words, now)
        case JobStatus.FAILED:
            return run.retry_or_fail(FailureReason.CRASHED, job.last_words, now)
        case JobStatus.STOPPED:
            return run.fail(FailureReason.CANCELLED, "stopped on the cluster", now)
        case _:
            assert_never(job.status)


def stopped(run: Run, job: Job, now: datetime) -> Change:
    """Say what becomes of a stopping run, now that its job is seen again."""
    if not job.status.ended:
        return run.unchanged()
    reason = run.stop_reason or FailureReason.CANCELLED
    if reason is FailureReason.TIMED_OUT:
        return run.retry_or_fail(reason, run.detail, now)
    return run.fail(reason, run.detail, now)


def _policy(cause: Cause, situation: Situation) -> Policy | None:
    if cause.kind is TriggerKind.PERSON:
        return Policy.AUTO
    for trigger in situation.retraining.triggers:
        if trigger.on is cause.kind and _reached(trigger, situation):
            return trigger.policy
    return None


def _reached(trigger: Trigger, situation: Situation) -> bool:
    if trigger.on is TriggerKind.LABELS:
        return situation.new_labels >= (trigger.min_new_labels or 1)
    if trigger.on is TriggerKind.DATA and situation.used is not None:
        return situation.new_rows >= (trigger.min_new_rows or 0)
    return True


def _join(active: Run, newest: int, policy: Policy) -> Join:
    bound = active.dataset_version
    return Join(active, releases=policy is Policy.AUTO, due=bound is not None and bound < newest)


def _cooling(as_of: datetime | None, last: datetime | None, cooldown: timedelta) -> bool:
    return bool(cooldown) and as_of is not None and last is not None and as_of - last < cooldown
