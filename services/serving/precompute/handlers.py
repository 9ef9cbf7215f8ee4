"""Messages in, messages out."""

from uuid import uuid5

from contracts.bundle import DatasetRef
from contracts.ingestion import DatasetIngested
from contracts.message import Message
from contracts.pipeline import PipelineDefinition
from contracts.precompute import PrecomputationFailed, PrecomputationFailure, StartPrecomputation
from services.chassis.subscriptions import Cause, Subscription
from services.serving.domain import RolloutState
from services.serving.ports import Deployments, Rollouts
from services.serving.precompute.domain import (
    PRECOMPUTATIONS,
    Candidate,
    Dataset,
    Wish,
    precomputation,
)
from services.serving.precompute.ports import Plans, Precomputations


async def keep_rules(definition: PipelineDefinition, plans: Plans) -> None:
    """Keep what a pipeline that was registered wants precomputed."""
    rules = definition.precompute
    key = tuple(column.name for column in rules.key_columns(definition.dataset)) if rules else ()
    plan = await plans.hold(definition.name)
    await plans.save(plan.model_copy(update={"precompute": rules, "key": key}))


async def on_dataset_ingested(event: DatasetIngested, plans: Plans, cause: Cause) -> list[Message]:
    """Keep which rows are the newest."""
    plan = await plans.hold(event.pipeline)
    if plan.dataset is None or plan.dataset.ref.version < event.dataset_version:
        ref = DatasetRef(
            version=event.dataset_version,
            digest=event.dataset_digest,
            table_uri=event.table_uri,
            delta_version=event.delta_version,
        )
        await plans.save(plan.model_copy(update={"dataset": Dataset(ref=ref, rows=event.rows, cause=cause)}))
    return []


async def start_precomputation(
    command: StartPrecomputation,
    plans: Plans,
    precomputations: Precomputations,
    deployments: Deployments,
    rollouts: Rollouts,
    cause: Cause,
) -> list[Message]:
    """Record that a person wants one; where the same is under way, that one is the answer."""
    wanted = Wish(uuid5(PRECOMPUTATIONS, cause.message_id), cause, command.requested_by, command.reason)
    plan = await plans.get(command.pipeline)
    candidate = await answering(command.pipeline, deployments, rollouts)
    missing = {
        "the pipeline declares no precompute": plan is None or plan.precompute is None,
        "no dataset is there": plan is None or plan.dataset is None,
        "no version answers": candidate is None,
    }
    if plan is None or candidate is None or any(missing.values()):
        return [
            PrecomputationFailed(
                pipeline=command.pipeline,
                precomputation_id=wanted.id,
                version=candidate.version if candidate else None,
                dataset_version=plan.dataset.ref.version if plan and plan.dataset else None,
                reason=PrecomputationFailure.REFUSED,
                detail=", and ".join(why for why, lacks in missing.items() if lacks),
                attempts=0,
            )
        ]
    one = precomputation(plan, candidate, wanted, now=cause.received_at)
    same = [
        other
        for other in await precomputations.open(command.pipeline)
        if (other.version, other.dataset) == (one.version, one.dataset)
    ]
    if not same and await precomputations.get(one.id) is None:
        await precomputations.save(one)
    return []


async def answering(pipeline: str, deployments: Deployments, rollouts: Rollouts) -> Candidate | None:
    """Find the version that answers, once all traffic is its own; while it bakes, its scores are made ready."""
    deployment = await deployments.get(pipeline)
    rollout = await rollouts.get(deployment.answering) if deployment and deployment.answering else None
    if rollout is None or rollout.state not in (RolloutState.BAKING, RolloutState.COMPLETED):
        return None
    return Candidate(
        version=rollout.version,
        bundle_uri=rollout.bundle_uri,
        bundle_digest=rollout.bundle_digest,
        since=rollout.finished_at or rollout.requested_at,
        cause=rollout.cause,
    )


SUBSCRIPTIONS = (
    Subscription(DatasetIngested, on_dataset_ingested),
    Subscription(StartPrecomputation, start_precomputation),
)
