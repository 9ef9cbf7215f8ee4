"""Where verdicts on its candidates leave a pipeline: which causes wait, and whether a person must look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from contracts.model import Contract
from contracts.pipeline import PipelineDefinition, TriggerKind

JUDGES = frozenset({"gates", "verification", "serving"})
"""Who refuses a candidate by rule. Anybody else is a person, or the lack of one."""


class Outcome(StrEnum):
    """What became of a run's candidate."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    """By its gates, by verification, or by serving after its promotion."""
    DECLINED = "declined"
    """By a person, or because nobody approved it in time."""


class Verdict(Contract):
    """What became of a run's candidate, who said so, and why."""

    outcome: Outcome
    version: int | None = None
    by: str
    reason: str
    at: AwareDatetime


class Degradation(Contract):
    """The champion's quality is lost."""

    version: int
    since: AwareDatetime
    """End of the first degraded window, in the time of the data."""
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """How long causes of one kind wait, after so many refusals in a row."""

    kind: TriggerKind
    refusals: int
    until: datetime
    """In the time of the data."""


def wait_of(
    kind: TriggerKind, definition: PipelineDefinition, refusals: int, learnt_until: datetime | None
) -> Wait | None:
    """Say how long a kind of cause waits; None if it does not.

    Args:
        kind: Of the cause.
        definition: Says how long one refusal delays it.
        refusals: How many candidates of such causes were refused in a row.
        learnt_until: Newest data that they had learnt from.
    """
    backoff = definition.retraining.backoff
    if backoff is None or not refusals or learnt_until is None:
        return None
    first = backoff.first or definition.monitors.window
    # Beyond the exponent any ceiling is reached, and a float is not.
    seconds = min(first.total_seconds() * backoff.factor ** min(refusals - 1, 100), backoff.ceiling.total_seconds())
    return Wait(kind, refusals, learnt_until + timedelta(seconds=seconds))


def escalates(refused_at: Sequence[datetime], told_at: datetime | None, *, after: int) -> bool:
    """Whether refusals are enough to tell a person, and no part of a row that was told before.

    Args:
        refused_at: When each of the refusals in a row was decided, newest first.
        told_at: When the newest refusal was decided that a person has been told of.
        after: How many are enough.
    """
    return len(refused_at) >= after and (told_at is None or told_at < refused_at[-1])
