"""What training decides: whether a cause leads to a run of its own, now, later or never.

A *cause* is a fact or a wish that speaks for training again. Each leads to at most one run; a pipeline has at
most one run that is not finished. A cause that comes before the data it needs, that the day's budget has nothing left
for, or whose like led to no better model lately, is *due*: it is remembered, and decided again when that has changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime

from contracts.bundle import DatasetRef
from contracts.jobs import ChampionRef, TrainingSpec
from contracts.model import Contract
from contracts.pipeline import PipelineDefinition, Policy, Retraining, Trigger, TriggerKind
from contracts.training import Cause, CodeSnapshot, SkipReason
from services.chassis.errors import MalformedError
from services.chassis.subscriptions import Cause as Origin
from services.training import schedule
from services.training.budget import Allowance
from services.training.run import Run, RunState, Wishes
from services.training.standing import Degradation, Wait


class Pipeline(Contract):
    """A registered pipeline as it is in force."""

    definition: PipelineDefinition
    code: CodeSnapshot
    registered_at: AwareDatetime
    revision: int = 1
    champion: ChampionRef | None = None
    labels: int = 0
    degraded: Degradation | None = None
    """Set while the champion's quality is known to be lost."""
    escalated_at: AwareDatetime | None = None
    """When the newest refusal was decided that a person has been told of."""

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
    waits_until: AwareDatetime | None = None
    waits_for_data_of: AwareDatetime | None = None


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
    last_event: datetime | None = None
    """Time of the newest data."""
    wait: Wait | None = None
    """How long causes of this kind wait, if they do."""
    allowance: Allowance | None = None
    """What is left of the day's budget, if there is one."""


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
    """Whether it is remembered, and will once nothing is in its way."""
    until: datetime | None = None
    """When the day ends whose budget is used up."""
    for_data_of: datetime | None = None
    """Time of the data that the refusals before it make it wait for."""


Decision = Start | Join | Skip


def check(pipeline: str, definition: PipelineDefinition) -> None:
    """Refuse a definition that contradicts itself or its address.

    Raises:
        MalformedError: The names differ, two triggers answer the same kind of cause, or a clock cannot be read.
    """
    if definition.name != pipeline:
        raise MalformedError("pipeline_name_differs", address=pipeline, definition=definition.name)
    kinds = [trigger.on.value for trigger in definition.retraining.triggers]
    if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        raise MalformedError("trigger_declared_twice", triggers=", ".join(twice))
    for trigger in definition.retraining.triggers:
        schedule.check(trigger)
    if definition.retraining.budget:
        schedule.zone_of(definition.retraining.budget.time_zone)


def decide(cause: Cause, situation: Situation, *, waited: bool = False) -> Decision | None:
    """Decide what a cause leads to; None if the pipeline asks for nothing when this happens.

    Args:
        cause: A fact or a wish.
        situation: What it finds.
        waited: Whether it was found to be enough of a cause before, and waited since.
    """
    policy = _policy(cause, situation, waited=waited)
    if policy is None:
        return None
    if situation.newest is None:
        return Skip(SkipReason.NO_DATA, "no dataset has been ingested yet")
    if policy is Policy.NOTIFY:
        return Skip(SkipReason.POLICY, "the policy of this trigger is notify: people are told, nothing starts")
    if situation.active is not None:
        return _join(cause, situation, situation.active, policy)
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
    return _held_back(cause, situation, policy) or Start(asks=policy is Policy.ASK)


_WEIGHTS = (
    TriggerKind.DATA,
    TriggerKind.SCHEDULE,
    TriggerKind.LABELS,
    TriggerKind.DRIFT,
    TriggerKind.QUALITY,
    TriggerKind.PERSON,
)


def heaviest_first(waiting: Iterable[HeardCause]) -> list[HeardCause]:
    """Order causes that wait: the first that gets a run has it answer them all."""
    return sorted(waiting, key=lambda one: _WEIGHTS.index(one.cause.kind), reverse=True)


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


def _policy(cause: Cause, situation: Situation, *, waited: bool) -> Policy | None:
    if cause.kind is TriggerKind.PERSON:
        return Policy.AUTO
    for trigger in situation.retraining.triggers:
        if trigger.on is cause.kind and (waited or _reached(trigger, situation)):
            return trigger.policy
    return None


def _reached(trigger: Trigger, situation: Situation) -> bool:
    if trigger.on is TriggerKind.LABELS:
        return situation.new_labels >= (trigger.min_new_labels or 1)
    if trigger.on is TriggerKind.DATA and situation.used is not None:
        return situation.new_rows >= (trigger.min_new_rows or 0)
    return True


def _join(cause: Cause, situation: Situation, active: Run, policy: Policy) -> Join | Skip:
    waits_for_a_person = active.state is RunState.AWAITING_APPROVAL
    automatic = policy is Policy.AUTO and cause.kind is not TriggerKind.PERSON
    if waits_for_a_person and automatic and (held := _held_back(cause, situation, policy)):
        return held
    bound, newest = active.dataset_version, situation.newest
    return Join(
        active,
        releases=policy is Policy.AUTO,
        due=bound is not None and newest is not None and bound < newest,
    )


def _held_back(cause: Cause, situation: Situation, policy: Policy) -> Skip | None:
    """Say what an automatic run waits for; whom a person is asked about costs nothing until then."""
    wait, allowance = situation.wait, situation.allowance
    reached = max(filter(None, (cause.as_of, situation.last_event)), default=None)
    if wait and (reached is None or reached < wait.until):
        return Skip(
            SkipReason.BACKOFF,
            f"{wait.refusals} in a row refused that {wait.kind.value} led to; the cause waits for data of "
            f"{wait.until.isoformat(timespec='seconds')}, a promotion, a person's run or a change of the pipeline",
            due=True,
            for_data_of=wait.until,
        )
    if policy is Policy.AUTO and allowance and (why := allowance.exhausted):
        return Skip(
            SkipReason.BUDGET,
            f"{why}; the cause waits until {allowance.ends_at.isoformat(timespec='seconds')}",
            due=True,
            until=allowance.ends_at,
        )
    return None


def _cooling(as_of: datetime | None, last: datetime | None, cooldown: timedelta) -> bool:
    return bool(cooldown) and as_of is not None and last is not None and as_of - last < cooldown
