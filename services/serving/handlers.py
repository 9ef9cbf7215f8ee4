"""Messages in, messages out."""

from dataclasses import replace
from uuid import UUID, uuid5

from contracts.message import Message
from contracts.registered_models import ModelAliasMoved
from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.training import PipelineRegistered
from services.chassis.errors import RejectedError, TransientError
from services.chassis.subscriptions import Cause, Subscription
from services.serving import steering
from services.serving.advancing import supersede
from services.serving.domain import ALL_AT_ONCE, BEFORE_FLIP, Deployment, Rollout, RolloutState
from services.serving.ports import Deployments, Rollouts
from services.serving.precompute import handlers as precompute
from services.serving.precompute.ports import Plans
from services.serving.steering import end

ROLLOUTS = UUID("6f1f4c1e-5a53-4d5e-9a5e-6d1f7f0c2b11")
"""Namespace: a promotion heard twice asks for one rollout."""
CHAMPION = "champion"
DELETED = "the model was deleted"


async def on_pipeline_registered(
    event: PipelineRegistered, deployments: Deployments, plans: Plans, cause: Cause
) -> list[Message]:
    """Keep how the pipeline's versions are rolled out; its replicas start before there is a version to load."""
    rollout = event.definition.rollout
    known = await deployments.hold(event.pipeline)
    wanted = Deployment(
        event.pipeline, rollout.replicas, rollout.max_golden_difference, rollout.timeout_s, cause.said_at, plan=rollout
    )
    if known:
        wanted = replace(
            wanted,
            registered_at=known.registered_at,
            answering=known.answering,
            previous=known.previous,
            diverged_since=known.diverged_since,
        )
    await deployments.save(wanted)
    await precompute.keep_rules(event.definition, plans)
    return []


async def on_version_promoted(
    event: ModelVersionPromoted, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Ask for a rollout of the new champion."""
    deployment = await deployments.hold(event.pipeline)
    if deployment is None:
        raise TransientError("pipeline_unknown", pipeline=event.pipeline)
    rollout = Rollout(
        id=uuid5(ROLLOUTS, cause.message_id),
        pipeline=event.pipeline,
        version=event.version,
        bundle_uri=event.bundle_uri,
        bundle_digest=event.bundle_digest,
        kind=event.kind,
        promoted_by=event.promoted_by,
        reason=event.reason,
        cause=cause,
        requested_at=cause.said_at,
        plan=deployment.plan,
    )
    return await _ask_for(rollout, deployments, rollouts, cause)


async def on_alias_moved(
    event: ModelAliasMoved, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Ask for a rollout of a champion that was only logged, if it can be served. No pipeline declares how, so all
    traffic is its own at once. A model that was deleted answers no more.
    """
    if event.retired and event.alias == CHAMPION:
        return await _retire(event.pipeline, deployments, rollouts, cause)
    if event.version is None or event.bundle_uri is None or event.bundle_digest is None:
        return []
    if await deployments.hold(event.pipeline) is None:
        plan = ALL_AT_ONCE
        await deployments.save(
            Deployment(event.pipeline, plan.replicas, plan.max_golden_difference, plan.timeout_s, cause.said_at)
        )
    rollout = Rollout(
        id=uuid5(ROLLOUTS, cause.message_id),
        pipeline=event.pipeline,
        version=event.version,
        bundle_uri=event.bundle_uri,
        bundle_digest=event.bundle_digest,
        kind=event.kind or PromotionKind.GATES,
        promoted_by=event.moved_by,
        reason=event.reason,
        cause=cause,
        requested_at=cause.said_at,
    )
    return await _ask_for(rollout, deployments, rollouts, cause)


async def _retire(pipeline: str, deployments: Deployments, rollouts: Rollouts, cause: Cause) -> list[Message]:
    """Let nobody answer in a model's name any more."""
    facts: list[Message] = []
    for waiting in await rollouts.open(pipeline):
        over = replace(waiting, state=RolloutState.SUPERSEDED, finished_at=cause.received_at, detail=DELETED)
        facts += await end(waiting, over, deployments, rollouts)
    await deployments.remove(pipeline)
    return facts


async def _ask_for(rollout: Rollout, deployments: Deployments, rollouts: Rollouts, cause: Cause) -> list[Message]:
    """Put a rollout in the queue of a model that is held.

    One that has not all traffic yet is over: what answered before it answers everything again. One whose version
    answers is finished first, unless the way back from it is what was asked for: that is one move.

    Raises:
        RejectedError: A later promotion was heard before this one, a dead letter, was replayed.
    """
    # Only of dead letters is the time asked: all else comes in the order it was said in, whatever the clock did.
    for newest in await rollouts.recent(rollout.pipeline, limit=1) if cause.replayed else ():
        if rollout.requested_at < newest.requested_at:
            raise RejectedError("promotion_outdated", version=rollout.version, newest_version=newest.version)
    facts: list[Message] = []
    for waiting in await rollouts.open(rollout.pipeline):
        if waiting.state in BEFORE_FLIP or waiting.previous_version == rollout.version:
            over = supersede(waiting, rollout.version, now=cause.received_at)
            facts += await end(waiting, over, deployments, rollouts)
    await rollouts.save(rollout)
    return facts


SUBSCRIPTIONS = (
    Subscription(PipelineRegistered, on_pipeline_registered),
    Subscription(ModelVersionPromoted, on_version_promoted),
    Subscription(ModelAliasMoved, on_alias_moved),
    *steering.SUBSCRIPTIONS,
    *precompute.SUBSCRIPTIONS,
)
