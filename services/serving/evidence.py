"""What a rollout has seen of both versions, kept in its record so that neither replica nor service is missed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from contracts.rollout import Guard
from contracts.serving import GuardVerdict
from services.serving.judging import Ledger, enter, judge
from services.serving.traffic import Arms

LEAST_SLOW_S = 0.001
"""Nobody waits for less, however fast the champion is."""
WATCH_NOTED_EVERY = timedelta(seconds=10)
LONGEST_UNWATCHED = timedelta(seconds=30)
"""A longer while in which nobody looked, or no replica lived, was an outage."""
ANSWERS_BEFORE_SLOW = 30
"""Of the champion, before its mean says what slow is."""
NO_ARMS = Arms()
NO_BLOCKS = Ledger()


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """What was seen in one step."""

    step: int
    started_at: datetime
    seen: Mapping[str, Arms] = field(default_factory=dict)
    """Of every replica that ever reported in this step, dead ones too, the last counts."""
    entered: Arms = NO_ARMS
    """What of it is in the ledger."""
    began_with: tuple[str, ...] = ()
    """The replicas that there were first."""
    came_later: tuple[str, ...] = ()
    """As the number of replicas is fixed meanwhile, each took the place of one that died."""
    watched_at: datetime | None = None
    """When it was last noted that somebody looks and a replica lives."""
    unwatched: timedelta = timedelta(0)
    """The outages since it started, which are no time in which the candidate proved itself, or nobody asked it."""

    def waited(self, now: datetime) -> timedelta:
        """Tell for how long both versions could be asked."""
        return now - self.started_at - self.unwatched

    @property
    def total(self) -> Arms:
        """Add up all replicas."""
        return sum(self.seen.values(), NO_ARMS)

    def hear(self, reports: Mapping[str, Arms]) -> "StepEvidence":
        """Take new counts. They only grow: a report that comes late takes nothing back."""
        grown = {name: arms for name, arms in reports.items() if _size(arms) > _size(self.seen.get(name, NO_ARMS))}
        new = tuple(sorted(reports.keys() - set(self.began_with) - set(self.came_later)))
        if not grown and not new:
            return self
        began_with, came_later = (self.began_with, self.came_later + new) if self.began_with else (new, ())
        return replace(self, seen={**self.seen, **grown}, began_with=began_with, came_later=came_later)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen in all steps, and what the tests have made of it."""

    steps: tuple[StepEvidence, ...] = ()
    """Those reached so far; the last one is the present."""
    ledger: Ledger = NO_BLOCKS
    slow_s: float | None = None
    """An answer that takes longer is slow. Fixed before the first answer that is held against it."""
    score_edges: tuple[float, ...] = ()

    @property
    def present(self) -> StepEvidence:
        """The step that the rollout is in."""
        return self.steps[-1]

    @property
    def total(self) -> Arms:
        """Add up all steps."""
        return sum((step.total for step in self.steps), NO_ARMS)

    def begin(self, step: int, now: datetime, guard: Guard) -> "Evidence":
        """Begin a step; its counts start from zero."""
        return replace(
            self, steps=(*self.steps, StepEvidence(step, now)), slow_s=guard.slow_s or self.slow_s or self._slow(guard)
        )

    def restart(self, now: datetime) -> "Evidence":
        """Let the time of the present step begin anew, if there is one."""
        return self._at_present(started_at=now, watched_at=now, unwatched=timedelta(0)) if self.steps else self

    def watch(self, now: datetime) -> "Evidence":
        """Note now and then that the present step is looked at, with a replica alive; take outages out of its time."""
        since = now - (self.present.watched_at or self.present.started_at)
        if since < WATCH_NOTED_EVERY:
            return self
        outage = since if since > LONGEST_UNWATCHED else timedelta(0)
        return self._at_present(watched_at=now, unwatched=self.present.unwatched + outage)

    def hear(self, reports: Mapping[str, Arms], guard: Guard) -> "Evidence":
        """Take what replicas counted in the present step so far; what both versions did since is a block."""
        present = self.present.hear(reports)
        if present is self.present:
            return self
        block, ledger = present.total - present.entered, self.ledger
        if block.candidate.requests and block.champion.requests:
            ledger = enter(ledger, block.candidate, block.champion, guard)
            present = replace(present, entered=present.total)
        heard = replace(self, steps=(*self.steps[:-1], present), ledger=ledger)
        return heard if heard.slow_s else replace(heard, slow_s=heard._slow(guard))

    def verdicts(self, guard: Guard) -> tuple[GuardVerdict, ...]:
        """Say what the tests make of everything seen; nothing before anything was."""
        candidate = self.total.candidate
        return judge(self.ledger, candidate, guard) if candidate.requests else ()

    def _at_present(self, **changes: Any) -> "Evidence":
        return replace(self, steps=(*self.steps[:-1], replace(self.present, **changes)))

    def _slow(self, guard: Guard) -> float | None:
        champion = self.ledger.champion
        answers = champion.requests - champion.errors
        if answers < ANSWERS_BEFORE_SLOW:
            return None
        return max(LEAST_SLOW_S, guard.slow_factor * champion.seconds / answers)


def _size(arms: Arms) -> int:
    return arms.candidate.requests + arms.champion.requests
