"""Messages in, messages out."""

from dataclasses import replace
from uuid import UUID, uuid5

from contracts.message import Message
from contracts.registry import ModelVersionPromoted
from contracts.training import PipelineRegistered
from services.chassis.errors import TransientError
from services.chassis.subscriptions import Cause, Subscription
from services.serving.domain import STOPPABLE, Deployment, Rollout, news, supersede
from services.serving.ports import Deployments, Rollouts

ROLLOUTS = UUID("6f1f4c1e-5a53-4d5e-9a5e-6d1f7f0c2b11")
"""Namespace: a promotion heard twice asks for one rollout."""


async def on_pipeline_registered(event: PipelineRegistered, deployments: Deployments, cause: Cause) -> list[Message]:
    """Keep how the pipeline's versions are rolled out; its replicas start before there is a version to load."""
    rollout = event.definition.rollout
    known = await deployments.hold(event.pipeline)
    wanted = Deployment(
        event.pipeline, rollout.replicas, rollout.max_golden_difference, rollout.timeout_s, cause.said_at
    )
    if known:
        wanted = replace(wanted, registered_at=known.registered_at, answering=known.answering, previous=known.previous)
    await deployments.save(wanted)
    return []


async def on_version_promoted(
    event: ModelVersionPromoted, deployments: Deployments, rollouts: Rollouts, cause: Cause
) -> list[Message]:
    """Ask for a rollout of the new champion; one that waits for an older champion is over."""
    deployment = await deployments.hold(event.pipeline)
    if deployment is None:
        raise TransientError("pipeline_unknown", pipeline=event.pipeline)
    answering = await rollouts.get(deployment.answering) if deployment.answering else None
    facts: list[Message] = []
    for waiting in await rollouts.open(event.pipeline):
        if waiting.state in STOPPABLE:
            over = supersede(waiting, event.version, now=cause.received_at)
            await rollouts.save(over)
            fact = news(waiting, over, serving_version=answering.version if answering else None, url="")
            facts += [fact] if fact else []
    await rollouts.save(
        Rollout(
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
        )
    )
    return facts


SUBSCRIPTIONS = (
    Subscription(PipelineRegistered, on_pipeline_registered),
    Subscription(ModelVersionPromoted, on_version_promoted),
)
