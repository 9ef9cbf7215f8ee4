"""What people say about a rollout under way, and what monitoring says about its version."""

from dataclasses import replace

from contracts.message import Message
from contracts.monitoring import QualityDegraded
from contracts.serving import (
    AbortRollout,
    PauseRollout,
    PromoteRollout,
    ResumeRollout,
    RolloutCommandRefused,
    RolloutHastened,
    RolloutPaused,
    RolloutResumed,
)
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.serving.advancing import abort, hasten, pause, resume, roll_back
from services.serving.domain import WATCHED, Deployment, Rollout, in_turn, settle
from services.serving.ports import Deployments, Rollouts
from services.serving.telling import news

Steering = PauseRollout | ResumeRollout | PromoteRollout | AbortRollout


async def pause_rollout(
    command: PauseRollout, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Let a rollout stay in its step."""
    try:
        _, found = await _found(command, deployments, rollouts)
        await rollouts.save(replace(pause(found), detail=f"paused by {command.requested_by}: {command.reason}"))
    except RejectedError as error:
        return [_refuse(command, cause, error)]
    return [
        RolloutPaused(
            pipeline=found.pipeline,
            rollout_id=found.id,
            version=found.version,
            paused_by=command.requested_by,
            reason=command.reason,
        )
    ]


async def resume_rollout(
    command: ResumeRollout, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Let a paused rollout go on."""
    try:
        _, found = await _found(command, deployments, rollouts)
        await rollouts.save(resume(found, now=cause.received_at))
    except RejectedError as error:
        return [_refuse(command, cause, error)]
    return [
        RolloutResumed(
            pipeline=found.pipeline,
            rollout_id=found.id,
            version=found.version,
            resumed_by=command.requested_by,
            reason=command.reason,
        )
    ]


async def promote_rollout(
    command: PromoteRollout, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Skip what is left of a rollout's plan."""
    try:
        _, found = await _found(command, deployments, rollouts)
        await rollouts.save(hasten(found, now=cause.received_at))
    except RejectedError as error:
        return [_refuse(command, cause, error)]
    return [
        RolloutHastened(
            pipeline=found.pipeline,
            rollout_id=found.id,
            version=found.version,
            hastened_by=command.requested_by,
            reason=command.reason,
        )
    ]


async def abort_rollout(
    command: AbortRollout, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Roll a rollout back."""
    try:
        deployment, found = await _found(command, deployments, rollouts)
        over = abort(found, deployment, f"aborted by {command.requested_by}: {command.reason}", now=cause.received_at)
    except RejectedError as error:
        return [_refuse(command, cause, error)]
    return await end(found, over, deployments, rollouts)


async def on_quality_degraded(
    event: QualityDegraded, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Roll a version back whose answers turn out to be bad while it is still being watched."""
    deployment = await deployments.hold(event.pipeline)
    if deployment is None:
        return []
    detail = (
        f"quality: {event.metric} {event.value:.4g} ({event.low:.4g} to {event.high:.4g}) of {event.labelled} labelled "
        f"predictions is below {event.threshold:.4g}"
    )
    for found in await rollouts.open(event.pipeline):
        # An older rollout of the same version may have been judged long ago.
        heard_in_time = found.started_at is not None and found.started_at <= cause.said_at
        watched = found.state in WATCHED and found.version == event.version and found.is_guarded
        if watched and heard_in_time and found.plan.guard.quality:
            over = roll_back(found, detail, now=cause.received_at)
            return await end(found, over, deployments, rollouts)
    return []


async def end(before: Rollout, after: Rollout, deployments: Deployments, rollouts: Rollouts) -> list[Message]:
    """Write down that a rollout is over, let the version answer that should, and tell."""
    # Read anew: several may end at once, and each may move the traffic.
    deployment = await deployments.hold(before.pipeline)
    if deployment is None:
        raise RejectedError("deployment_not_found", pipeline=before.pipeline)
    settled = settle(deployment, after)
    await deployments.save(settled)
    await rollouts.save(after)
    answering = await rollouts.get(settled.answering) if settled.answering else None
    fact = news(before, after, serving_version=answering.version if answering else None, url="")
    return [fact] if fact else []


async def _found(command: Steering, deployments: Deployments, rollouts: Rollouts) -> tuple[Deployment, Rollout]:
    deployment = await deployments.hold(command.pipeline)
    if command.rollout_id:
        found = await rollouts.get(command.rollout_id)
    else:
        found = next(iter(in_turn(await rollouts.open(command.pipeline))), None)
    if deployment is None or found is None or found.pipeline != command.pipeline:
        raise RejectedError("rollout_not_found", pipeline=command.pipeline, rollout_id=command.rollout_id)
    return deployment, found


def _refuse(command: Steering, cause: Cause, error: RejectedError) -> RolloutCommandRefused:
    return RolloutCommandRefused(
        pipeline=command.pipeline,
        command=command.subject,
        command_id=cause.message_id,
        requested_by=command.requested_by,
        rollout_id=command.rollout_id,
        rule=error.slug,
        detail=str(error)[:1000],
    )


SUBSCRIPTIONS = (
    Subscription(PauseRollout, pause_rollout),
    Subscription(ResumeRollout, resume_rollout),
    Subscription(PromoteRollout, promote_rollout),
    Subscription(AbortRollout, abort_rollout),
    Subscription(QualityDegraded, on_quality_degraded),
)
