"""What there is to say once a rollout has gone on."""

from datetime import datetime
from typing import assert_never

from contracts.message import Message
from contracts.serving import RolloutCompleted, RolloutPaused, RolloutRolledBack, RolloutStarted, RolloutStepped
from services.serving.domain import Rollout, RolloutState

ITSELF = "policy:when_quiet"


def news(before: Rollout, after: Rollout, *, serving_version: int | None, url: str) -> Message | None:
    """Find what there is to say about a rollout's new state or step.

    Args:
        before: The rollout as it was.
        after: The rollout as it is.
        serving_version: The version that answers from now on.
        url: Where the model answers.
    """
    if before.state is after.state and before.step == after.step:
        paused_itself = after.paused and not before.paused
        return _paused(after) if paused_itself else None
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
        case RolloutState.STEPPING | RolloutState.BAKING:
            return _stepped(after)
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
                duration_s=_duration_s(after.requested_at, after.finished_at),
            )
        case RolloutState.ROLLED_BACK | RolloutState.SUPERSEDED:
            return RolloutRolledBack(
                pipeline=after.pipeline,
                rollout_id=after.id,
                version=after.version,
                serving_version=serving_version,
                reason=after.detail,
                step=after.step,
                superseded=after.state is RolloutState.SUPERSEDED,
                promoted_at=after.requested_at,
                verdicts=after.evidence.verdicts(after.plan.guard),
            )
        case _:
            assert_never(after.state)


def _stepped(rollout: Rollout) -> RolloutStepped:
    stage = rollout.stage
    return RolloutStepped(
        pipeline=rollout.pipeline,
        rollout_id=rollout.id,
        version=rollout.version,
        previous_version=rollout.previous_version,
        step=rollout.evidence.present.step,
        steps=len(rollout.stages),
        kind=stage.kind,
        share=1.0 if stage.kind == "bake" else stage.share,
        bake=stage.bake,
        bundle_uri=rollout.bundle_uri,
        bundle_digest=rollout.bundle_digest,
    )


def _paused(rollout: Rollout) -> RolloutPaused:
    return RolloutPaused(
        pipeline=rollout.pipeline,
        rollout_id=rollout.id,
        version=rollout.version,
        paused_by=ITSELF,
        reason=rollout.detail,
    )


def _duration_s(since: datetime, until: datetime | None) -> float:
    # The promotion was said by another machine's clock, which may be ahead of this one's.
    return max(0.0, ((until or since) - since).total_seconds())
