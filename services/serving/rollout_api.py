"""Rollouts over HTTP: the plan, the step, what was seen so far and what the tests make of it; a person's word."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.message import Command
from contracts.registry import PromotionKind
from contracts.rollout import Rollout as Plan
from contracts.serving import AbortRollout, GuardVerdict, PauseRollout, Person, PromoteRollout, Reason, ResumeRollout
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.serving.domain import WATCHED, Rollout, RolloutState, StageKind
from services.serving.ports import Rollouts
from services.serving.traffic import Traffic

router = APIRouter(tags=["serving"])


class TrafficView(BaseModel):
    """What one version did in one step."""

    requests: int
    errors: int
    slow: int
    mean_s: float | None


class StageView(BaseModel):
    """One step of the plan, or the bake after all traffic, and what was seen in it."""

    kind: StageKind
    share: float
    bake_s: float
    min_requests: int
    max_wait_s: float | None
    progress: Literal["over", "present", "ahead"]
    started_at: datetime | None
    unwatched_s: float
    candidate: TrafficView | None
    champion: TrafficView | None


class RolloutView(BaseModel):
    """One version's way to the traffic."""

    rollout_id: UUID
    pipeline: str
    version: int
    previous_version: int | None
    state: RolloutState
    paused: bool
    hastened: bool
    step: int | None
    detail: str
    kind: PromotionKind
    promoted_by: str
    reason: str
    bundle_digest: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    replicas: int
    plan: Plan
    stages: list[StageView]
    slow_s: float | None
    verdicts: tuple[GuardVerdict, ...]


class Wish(BaseModel):
    """Who wants it, and why."""

    by: str = Person
    reason: str = Reason


class Accepted(BaseModel):
    """The command was taken; its outcome is an event."""

    command: str
    pipeline: str


@router.get("/rollouts")
async def list_rollouts(
    tx: Tx, pipeline: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[RolloutView]:
    """List rollouts, newest first."""
    return [_rollout_view(rollout) for rollout in await tx.port(Rollouts).recent(pipeline, limit=limit)]


@router.get("/rollouts/{rollout_id}")
async def get_rollout(rollout_id: UUID, tx: Tx) -> RolloutView:
    """Get one rollout."""
    return _rollout_view(await _known(rollout_id, tx))


@router.post("/rollouts/{rollout_id}/pause", status_code=202)
async def pause(rollout_id: UUID, wish: Wish, tx: Tx) -> Accepted:
    """Ask for a rollout to stay in its step."""
    return await _accept(PauseRollout, rollout_id, wish, tx)


@router.post("/rollouts/{rollout_id}/resume", status_code=202)
async def resume(rollout_id: UUID, wish: Wish, tx: Tx) -> Accepted:
    """Ask for a paused rollout to go on."""
    return await _accept(ResumeRollout, rollout_id, wish, tx)


@router.post("/rollouts/{rollout_id}/promote", status_code=202)
async def promote(rollout_id: UUID, wish: Wish, tx: Tx) -> Accepted:
    """Ask for the rest of a rollout's plan to be skipped."""
    return await _accept(PromoteRollout, rollout_id, wish, tx)


@router.post("/rollouts/{rollout_id}/abort", status_code=202)
async def abort(rollout_id: UUID, wish: Wish, tx: Tx) -> Accepted:
    """Ask for a rollout to be rolled back."""
    return await _accept(AbortRollout, rollout_id, wish, tx)


async def _known(rollout_id: UUID, tx: Tx) -> Rollout:
    rollout = await tx.port(Rollouts).get(rollout_id)
    if rollout is None:
        raise RejectedError("rollout_not_found", rollout_id=rollout_id)
    return rollout


async def _accept(
    command: type[PauseRollout | ResumeRollout | PromoteRollout | AbortRollout], rollout_id: UUID, wish: Wish, tx: Tx
) -> Accepted:
    known = await _known(rollout_id, tx)
    said: Command = command(pipeline=known.pipeline, rollout_id=rollout_id, requested_by=wish.by, reason=wish.reason)
    tx.say(said)
    return Accepted(command=said.subject, pipeline=said.pipeline)


def _rollout_view(rollout: Rollout) -> RolloutView:
    return RolloutView(
        rollout_id=rollout.id,
        pipeline=rollout.pipeline,
        version=rollout.version,
        previous_version=rollout.previous_version,
        state=rollout.state,
        paused=rollout.paused,
        hastened=rollout.hastened,
        step=rollout.step,
        detail=rollout.detail,
        kind=rollout.kind,
        promoted_by=rollout.promoted_by,
        reason=rollout.reason,
        bundle_digest=rollout.bundle_digest,
        requested_at=rollout.requested_at,
        started_at=rollout.started_at,
        finished_at=rollout.finished_at,
        replicas=rollout.replicas,
        plan=rollout.plan,
        stages=[_stage_view(rollout, place) for place in range(len(rollout.stages))],
        slow_s=rollout.evidence.slow_s,
        verdicts=rollout.evidence.verdicts(rollout.plan.guard),
    )


def _stage_view(rollout: Rollout, place: int) -> StageView:
    stage = rollout.stages[place]
    seen = next((step for step in rollout.evidence.steps if step.step == place), None)
    present = rollout.state in WATCHED and place == rollout.step
    return StageView(
        kind=stage.kind,
        share=stage.share,
        bake_s=stage.bake.total_seconds(),
        min_requests=stage.min_requests,
        max_wait_s=stage.max_wait.total_seconds() if stage.max_wait else None,
        progress="present" if present else "over" if seen else "ahead",
        started_at=seen.started_at if seen else None,
        unwatched_s=seen.unwatched.total_seconds() if seen else 0,
        candidate=_traffic_view(seen.total.candidate) if seen else None,
        champion=_traffic_view(seen.total.champion) if seen else None,
    )


def _traffic_view(traffic: Traffic) -> TrafficView:
    answers = traffic.requests - traffic.errors
    return TrafficView(
        requests=traffic.requests,
        errors=traffic.errors,
        slow=traffic.slow,
        mean_s=traffic.seconds / answers if answers else None,
    )
