"""Deployments, rollouts and what replicas say of themselves. No I/O. How a rollout goes on stands in ``advancing``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from contracts.registry import PromotionKind
from contracts.rollout import Rollout as Plan
from services.chassis.subscriptions import Cause
from services.serving.evidence import Evidence
from services.serving.traffic import Traffic

ALL_AT_ONCE = Plan()
NOTHING_SEEN = Evidence()
StageKind = Literal["shadow", "canary", "bake"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that is, or will be, reachable under its own URL."""

    pipeline: str
    replicas: int
    max_golden_difference: float
    timeout_s: float
    registered_at: datetime
    answering: UUID | None = None
    """The rollout whose version answers; None before the first one is through."""
    previous: UUID | None = None
    """The rollout whose version answered before, still held so that a way back is short."""
    plan: Plan = ALL_AT_ONCE
    """How the next version takes over."""
    diverged_since: datetime | None = None
    """Since when replicas are not what is desired of them, where that was said."""

    @property
    def fewest_replicas(self) -> int:
        """How many replicas there are at least, outside of a rollout."""
        return self.plan.scaling.min_replicas if self.plan.scaling else self.replicas


class RolloutState(StrEnum):
    """How far a version has come on its way to the traffic."""

    PENDING = "pending"
    LOADING = "loading"
    STEPPING = "stepping"
    """In a step of its plan, beside the version that answers."""
    FLIPPING = "flipping"
    BAKING = "baking"
    """It answers, and the version before it is one move away."""
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


OPEN = frozenset(RolloutState) - {RolloutState.COMPLETED, RolloutState.ROLLED_BACK, RolloutState.SUPERSEDED}
"""States of a rollout that is not over."""

BEFORE_FLIP = frozenset({RolloutState.PENDING, RolloutState.LOADING, RolloutState.STEPPING})
"""States in which the former version is the one that answers."""

WATCHED = frozenset({RolloutState.STEPPING, RolloutState.BAKING})
"""States in which two versions are asked, and compared."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a plan in which two versions are compared: one of its steps, or the bake."""

    kind: StageKind
    share: float
    """Of the requests that the candidate is asked. In the bake, that the former version is asked a copy of."""
    bake: timedelta
    min_requests: int = 0
    max_wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """One version's way to the traffic, asked for by one promotion."""

    id: UUID
    pipeline: str
    version: int
    bundle_uri: str
    bundle_digest: str
    kind: PromotionKind
    promoted_by: str
    reason: str
    cause: Cause
    requested_at: datetime
    state: RolloutState = RolloutState.PENDING
    previous_version: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    replicas: int = 0
    detail: str = ""
    """Why it ended without traffic, or what it waits for."""
    plan: Plan = ALL_AT_ONCE
    paused: bool = False
    """It stays where it is. It can still be rolled back."""
    hastened: bool = False
    """A person skipped the rest of the plan."""
    evidence: Evidence = NOTHING_SEEN
    flipping_since: datetime | None = None
    """Since when its replicas, or one of them at least, could have taken all traffic."""

    @property
    def is_guarded(self) -> bool:
        """Whether it is rolled back for what is seen: a person who skips the plan answers for it, until one pauses."""
        return self.paused or not self.hastened

    @property
    def stages(self) -> tuple[Stage, ...]:
        """List the stages it goes through; none if there is no other version to be held against."""
        if self.previous_version in (None, self.version):
            return ()
        steps = tuple(
            Stage(step.kind, step.share, step.bake, step.min_requests, step.max_wait) for step in self.plan.steps
        )
        return (*steps, Stage("bake", self.plan.bake_share, self.plan.bake)) if self.plan.bake else steps

    @property
    def step(self) -> int | None:
        """Place of the stage it reached; None before the first one."""
        return self.evidence.present.step if self.evidence.steps else None

    @property
    def stage(self) -> Stage:
        """The stage it is in, while it is watched."""
        return self.stages[self.evidence.present.step]


def in_turn(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Put the open rollouts of a model in the order in which they come to the traffic.

    One that has begun stays first: clocks can go back, and two rollouts must not go on at once.
    """
    return sorted(rollouts, key=lambda one: (one.state is RolloutState.PENDING, one.requested_at, one.id))


class HoldState(StrEnum):
    """What a replica has made of a version it was told to hold."""

    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Held:
    """One version inside one replica, for one rollout."""

    rollout_id: UUID
    state: HoldState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PredictionCounts:
    """The prediction log of one replica since it started, in rows."""

    logged: int = 0
    waiting: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Replica:
    """What a live replica last said of itself."""

    name: str
    held: Mapping[int, Held] = field(default_factory=dict)
    answering: int | None = None
    predictions: PredictionCounts = PredictionCounts()
    traffic: Mapping[tuple[UUID, int, int], Traffic] = field(default_factory=dict)
    """What it counted, by rollout, step and version."""

    def holds(self, rollout: Rollout) -> Held | None:
        """Find what it made of a rollout's version."""
        held = self.held.get(rollout.version)
        return held if held and held.rollout_id == rollout.id else None


@dataclass(frozen=True, slots=True)
class Fleet:
    """All of a model that runs right now."""

    replicas: tuple[Replica, ...] = ()
    failure: str | None = None
    """Why the cluster gave up on starting it."""
    reachable: bool = False
    """Whether the version in question was asked through the front, and is there."""


def settle(deployment: Deployment, rollout: Rollout) -> Deployment:
    """Let the version answer that should, now that a rollout is where it is."""
    if rollout.state in BEFORE_FLIP:
        return deployment
    if rollout.state in (RolloutState.ROLLED_BACK, RolloutState.SUPERSEDED):
        if deployment.answering != rollout.id:
            return deployment
        return replace(deployment, answering=deployment.previous, previous=None)
    if deployment.answering == rollout.id:
        return deployment
    return replace(deployment, answering=rollout.id, previous=deployment.answering)
