"""What is said about versions. Each fact carries what it changed, so that the log alone gives the registry back."""

from contracts.bundle import BundleFile
from contracts.message import Message
from contracts.registry import (
    AliasMove,
    ModelVersionApprovalGiven,
    ModelVersionAwaitingApproval,
    ModelVersionDemoted,
    ModelVersionGatesEvaluated,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
    PromotionKind,
)
from contracts.serving import RolloutRolledBack
from services.registry.domain import LONGEST_REASON, Alias, Aliases, Decision, ModelVersion


def moves(before: Aliases, after: Aliases) -> tuple[AliasMove, ...]:
    """List which aliases point elsewhere now."""
    return tuple(
        AliasMove(alias=alias.value, version=getattr(after, alias), previous_version=getattr(before, alias))
        for alias in Alias
        if getattr(before, alias) != getattr(after, alias)
    )


def introduced(version: ModelVersion, *, champion: int | None) -> list[Message]:
    """Say that there is a new version, and what its gates said beside the champion of now."""
    return [
        ModelVersionRegistered(
            pipeline=version.pipeline,
            version=version.number,
            run_id=version.run_id,
            bundle_uri=version.bundle_uri,
            bundle_digest=version.bundle_digest,
            model_digest=version.manifest.entry(BundleFile.MODEL).digest,
            lineage=version.lineage,
            registered_at=version.registered_at,
        ),
        ModelVersionGatesEvaluated(
            pipeline=version.pipeline,
            version=version.number,
            passed=all(verdict.passed for verdict in version.verdicts),
            champion_version=champion,
            verdicts=version.verdicts,
        ),
    ]


def awaiting(version: ModelVersion, decision: Decision, moved: tuple[AliasMove, ...]) -> Message:
    """Say that a person is asked."""
    return ModelVersionAwaitingApproval(
        pipeline=version.pipeline,
        version=version.number,
        approvals=version.approvals_needed,
        expires_at=version.expires_at,
        reason=decision.reason,
        decided_at=decision.at,
        moved=moved,
    )


def approval_given(version: ModelVersion, decision: Decision) -> Message:
    """Say that a person approved."""
    return ModelVersionApprovalGiven(
        pipeline=version.pipeline,
        version=version.number,
        approved_by=decision.by,
        reason=decision.reason,
        missing=version.approvals_missing,
        decided_at=decision.at,
    )


def promoted(
    version: ModelVersion,
    decision: Decision,
    kind: PromotionKind,
    *,
    previous: int | None,
    moved: tuple[AliasMove, ...],
) -> Message:
    """Say that a version is champion in place of another."""
    return ModelVersionPromoted(
        pipeline=version.pipeline,
        version=version.number,
        previous_version=previous,
        kind=kind,
        promoted_by=decision.by,
        reason=decision.reason,
        run_id=version.run_id,
        bundle_uri=version.bundle_uri,
        bundle_digest=version.bundle_digest,
        decided_at=decision.at,
        moved=moved,
    )


def demoted(
    event: RolloutRolledBack, decision: Decision, *, champion: int | None, moved: tuple[AliasMove, ...]
) -> Message:
    """Say that the champion did not hold, and who is champion instead."""
    return ModelVersionDemoted(
        pipeline=event.pipeline,
        version=event.version,
        champion_version=champion,
        rollout_id=event.rollout_id,
        demoted_by=decision.by,
        reason=decision.reason,
        decided_at=decision.at,
        moved=moved,
    )


def rejected(version: ModelVersion, decision: Decision, moved: tuple[AliasMove, ...] = ()) -> Message:
    """Say that a version will not be champion."""
    return ModelVersionRejected(
        pipeline=version.pipeline,
        version=version.number,
        run_id=version.run_id,
        rejected_by=decision.by,
        reason=decision.reason[:LONGEST_REASON],
        decided_at=decision.at,
        moved=moved,
    )
