"""Deployments, rollouts and what replicas say of themselves. No I/O.

    pending ──▶ loading ──▶ flipping ──▶ completed
       │           │
       └───────────┴──▶ rolled_back | superseded

Until a rollout is flipping the former version answers; from then on there is no way back but a new rollout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.message import Message
from contracts.registry import PromotionKind
from contracts.serving import RolloutCompleted, RolloutRolledBack, RolloutStarted
from services.chassis.subscriptions import Cause

LONGEST_REASON = 2000


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


class RolloutState(StrEnum):
    """How far a version has come on its way to the traffic."""

    PENDING = "pending"
    LOADING = "loading"
    FLIPPING = "flipping"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


OPEN = frozenset({RolloutState.PENDING, RolloutState.LOADING, RolloutState.FLIPPING})
"""States of a rollout that is not over."""

STOPPABLE = frozenset({RolloutState.PENDING, RolloutState.LOADING})
"""States in which no request has been answered by the version."""


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
    """Why it ended without traffic."""


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


@dataclass(frozen=True, slots=True)
class Fleet:
    """All of a model that runs right now."""

    replicas: tuple[Replica, ...] = ()
    failure: str | None = None
    """Why the cluster gave up on starting it."""
    reachable: bool = False
    """Whether the version in question was asked through the front, and is there."""


def advance(rollout: Rollout, deployment: Deployment, fleet: Fleet, *, now: datetime) -> Rollout:
    """Take a rollout as far as what its replicas say allows, one state at most."""
    match rollout.state:
        case RolloutState.PENDING:
            return _begin(rollout, fleet, now)
        case RolloutState.LOADING:
            return _watch_loading(rollout, deployment, fleet, now)
        case RolloutState.FLIPPING:
            return _watch_flipping(rollout, deployment, fleet, now)
        case RolloutState.COMPLETED | RolloutState.ROLLED_BACK | RolloutState.SUPERSEDED:
            return rollout
        case _:
            assert_never(rollout.state)


def supersede(rollout: Rollout, newer: int, *, now: datetime) -> Rollout:
    """End a rollout that has no traffic yet, because a newer promotion came."""
    detail = f"superseded by version {newer}"
    return replace(rollout, state=RolloutState.SUPERSEDED, finished_at=now, detail=detail)


def take_over(deployment: Deployment, rollout: Rollout) -> Deployment:
    """Make a rollout's version the one that answers."""
    if deployment.answering == rollout.id:
        return deployment
    return replace(deployment, answering=rollout.id, previous=deployment.answering)


def news(before: Rollout, after: Rollout, *, serving_version: int | None, url: str) -> Message | None:
    """Find what there is to say about a rollout's new state.

    Args:
        before: The rollout as it was.
        after: The rollout as it is.
        serving_version: The version that answers now.
        url: Where the model answers.
    """
    if before.state is after.state:
        return None
    match after.state:
        case RolloutState.PENDING | RolloutState.FLIPPING:
            return None
        case RolloutState.LOADING:
            return RolloutStarted(
                pipeline=after.pipeline,
                rollout_id=after.id,
                version=after.version,
                previous_version=after.previous_version,
            )
        case RolloutState.COMPLETED:
            return RolloutCompleted(
                pipeline=after.pipeline,
                rollout_id=after.id,
                version=after.version,
                previous_version=after.previous_version,
                bundle_uri=after.bundle_uri,
                bundle_digest=after.bundle_digest,
                url=url,
                replicas=after.replicas,
                duration_s=_duration_s(after),
            )
        case RolloutState.ROLLED_BACK | RolloutState.SUPERSEDED:
            return RolloutRolledBack(
                pipeline=after.pipeline,
                rollout_id=after.id,
                version=after.version,
                serving_version=serving_version,
                reason=after.detail,
            )
        case _:
            assert_never(after.state)


def _duration_s(rollout: Rollout) -> float:
    # The promotion was said by another machine's clock, which may be ahead of this one's.
    finished_at = rollout.finished_at or rollout.requested_at
    return max(0.0, (finished_at - rollout.requested_at).total_seconds())


def _begin(rollout: Rollout, fleet: Fleet, now: datetime) -> Rollout:
    # The clock of a rollout starts with its first replica: a cluster that is away delays it and fails nothing.
    if fleet.replicas:
        return replace(rollout, state=RolloutState.LOADING, started_at=now)
    if fleet.failure:
        return _roll_back(rollout, f"the cluster could not start the model: {fleet.failure}", now)
    return rollout


def _watch_loading(rollout: Rollout, deployment: Deployment, fleet: Fleet, now: datetime) -> Rollout:
    held = {
        replica.name: held
        for replica in fleet.replicas
        if (held := replica.held.get(rollout.version)) and held.rollout_id == rollout.id
    }
    for name, one in sorted(held.items()):
        if one.state is HoldState.FAILED:
            return _roll_back(rollout, f"replica {name}: {one.detail}", now)
    loaded = {name for name, one in held.items() if one.state is HoldState.LOADED}
    live = {replica.name for replica in fleet.replicas}
    if loaded == live and len(live) >= deployment.replicas:
        return replace(rollout, state=RolloutState.FLIPPING)
    if rollout.started_at and now - rollout.started_at > timedelta(seconds=deployment.timeout_s):
        return _roll_back(rollout, _slow(loaded, live, deployment), now)
    return rollout


def _watch_flipping(rollout: Rollout, deployment: Deployment, fleet: Fleet, now: datetime) -> Rollout:
    # Replicas are there before the front knows their way; completed means that a caller gets an answer.
    if len(fleet.replicas) < deployment.replicas or not fleet.reachable:
        return rollout
    if any(replica.answering != rollout.version for replica in fleet.replicas):
        return rollout
    return replace(rollout, state=RolloutState.COMPLETED, finished_at=now, replicas=len(fleet.replicas))


def _roll_back(rollout: Rollout, detail: str, now: datetime) -> Rollout:
    return replace(rollout, state=RolloutState.ROLLED_BACK, finished_at=now, detail=detail[:LONGEST_REASON])


def _slow(loaded: set[str], live: set[str], deployment: Deployment) -> str:
    late = ", ".join(sorted(live - loaded)) or f"{deployment.replicas - len(live)} that did not start"
    return f"not loaded within {deployment.timeout_s:g} s by {late}"
