"""What serving answers over HTTP: what runs, since when and why."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from contracts.registry import PromotionKind
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.serving.desired import HeldVersion, MessageCounts, ReplicaLoad, ReplicaReport
from services.serving.domain import Deployment, Rollout
from services.serving.ports import Board, Cluster, Deployments, Rollouts

router = APIRouter(tags=["serving"])


class Answering(BaseModel):
    """The version that answers, and why it does."""

    version: int
    bundle_uri: str
    bundle_digest: str
    since: datetime | None
    kind: PromotionKind
    promoted_by: str
    reason: str
    rollout_id: UUID


class ReplicaView(BaseModel):
    """What one live replica last said of itself; predictions are counted in rows since its start."""

    name: str
    reported_at: datetime
    answering: int | None
    held: tuple[HeldVersion, ...]
    predictions_logged: int
    predictions_waiting: int
    predictions_lost: int
    load: ReplicaLoad
    messages: MessageCounts


class DeploymentView(BaseModel):
    """A model and what runs of it."""

    pipeline: str
    url: str
    registered_at: datetime
    replicas_wanted: int
    answering: Answering | None
    replicas: list[ReplicaView]
    failure: str | None
    diverged_since: datetime | None


@router.get("/deployments")
async def list_deployments(tx: Tx) -> list[DeploymentView]:
    """List what runs."""
    return [await _deployment_view(deployment, tx) for deployment in await tx.port(Deployments).all()]


@router.get("/deployments/{pipeline}")
async def get_deployment(pipeline: str, tx: Tx) -> DeploymentView:
    """Get what runs of one model."""
    deployment = await tx.port(Deployments).get(pipeline)
    if deployment is None:
        raise RejectedError("deployment_not_found", pipeline=pipeline)
    return await _deployment_view(deployment, tx)


async def _deployment_view(deployment: Deployment, tx: Tx) -> DeploymentView:
    rollout = await tx.port(Rollouts).get(deployment.answering) if deployment.answering else None
    cluster = tx.port(Cluster)
    return DeploymentView(
        pipeline=deployment.pipeline,
        url=cluster.url(deployment.pipeline),
        registered_at=deployment.registered_at,
        replicas_wanted=deployment.replicas,
        answering=_answering(rollout) if rollout else None,
        replicas=[_replica_view(report) for report in await tx.port(Board).reports(deployment.pipeline)],
        failure=await cluster.failure(deployment.pipeline),
        diverged_since=deployment.diverged_since,
    )


def _answering(rollout: Rollout) -> Answering:
    return Answering(
        version=rollout.version,
        bundle_uri=rollout.bundle_uri,
        bundle_digest=rollout.bundle_digest,
        since=rollout.finished_at,
        kind=rollout.kind,
        promoted_by=rollout.promoted_by,
        reason=rollout.reason,
        rollout_id=rollout.id,
    )


def _replica_view(report: ReplicaReport) -> ReplicaView:
    return ReplicaView(
        name=report.replica,
        reported_at=report.at,
        answering=report.answering,
        held=report.held,
        predictions_logged=report.logged,
        predictions_waiting=report.waiting,
        predictions_lost=report.lost,
        load=report.load,
        messages=report.messages,
    )
