"""When a model is trained again: triggers, and what keeps them within bounds."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.model import Contract


class Policy(StrEnum):
    """Who decides: nobody, a person, or nobody acts and people are told."""

    AUTO = "auto"
    ASK = "ask"
    NOTIFY = "notify"


class TriggerKind(StrEnum):
    """What can cause a training run."""

    DATA = "data"
    DRIFT = "drift"
    QUALITY = "quality"
    LABELS = "labels"
    SCHEDULE = "schedule"
    PERSON = "person"


# Only their shape: whether such a time zone is known must not depend on where a message is read.
TimeZone = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*$")]
Cron = Annotated[str, Field(max_length=200, pattern=r"^\S+( +\S+){4}$")]


class Trigger(Contract):
    """When this happens, train, ask or tell. A person's command needs no trigger."""

    on: TriggerKind
    policy: Policy = Policy.AUTO
    min_new_rows: int | None = Field(default=None, ge=1, description="For data: rows since the last run's dataset.")
    min_new_labels: int | None = Field(default=None, ge=1, description="For labels: labels since the last run.")
    every: timedelta | None = Field(default=None, description="For schedule: time between runs.")
    cron: Cron | None = Field(default=None, description="For schedule: five fields, read as Debian's cron does.")
    time_zone: TimeZone = Field(default="UTC", description="For cron: whose clock it reads, as Europe/Berlin.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.on is TriggerKind.SCHEDULE and bool(self.every) == bool(self.cron):
            raise ValueError("a schedule needs every or cron, and not both")
        if self.on is TriggerKind.LABELS and not self.min_new_labels:
            raise ValueError("a labels trigger needs min_new_labels")
        if self.on is TriggerKind.PERSON:
            raise ValueError("a person's command needs no trigger")
        return self


class Budget(Contract):
    """What runs may take in one day. People are never held back by it, but what they use counts."""

    max_runs: int | None = Field(default=None, ge=1, description="Runs that begin on one day.")
    max_compute_s: float | None = Field(
        default=None,
        gt=0,
        description="Compute-seconds of one day's runs: how long their jobs run, times the CPUs they ask for. What a "
        "run will take is expected to be what the latest that succeeded took; a day's first run always may begin.",
    )
    time_zone: TimeZone = Field(default="UTC", description="Whose midnight begins the day.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_runs is None and self.max_compute_s is None:
            raise ValueError("a budget needs max_runs or max_compute_s")
        return self


class Backoff(Contract):
    """How long the next cause of a kind waits after runs of that kind led to no better model.

    In the time of the data, as the cooldown. A promotion, a person's run or a change of the pipeline ends it.
    """

    first: timedelta | None = Field(
        default=None, gt=timedelta(0), description="After the first refusal; unset: a window of the monitors."
    )
    factor: float = Field(default=2.0, ge=1, le=10, description="Each further refusal waits so much longer.")
    ceiling: timedelta = Field(default=timedelta(days=90), gt=timedelta(0), description="Longest wait.")


class Retraining(Contract):
    """How triggers become at most one run per cause."""

    triggers: tuple[Trigger, ...] = (Trigger(on=TriggerKind.DATA),)
    debounce: timedelta = Field(default=timedelta(seconds=2), description="Causes this close together share a run.")
    cooldown: timedelta = Field(
        default=timedelta(0),
        description="Least distance between the causes of two automatic runs, in the time of the data, so that a "
        "replayed year behaves as a lived one.",
    )
    budget: Budget | None = Field(default=None, description="Unset: runs are not counted.")
    backoff: Backoff | None = Field(default=Backoff(), description="Null: a refused candidate delays nothing.")
    escalate_after: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Where quality is lost: automatic runs in a row without a better model, before a person is told.",
    )
