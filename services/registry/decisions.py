"""What becomes of versions: registered and judged, approved, refused, rolled back to. Ports in, facts out."""

from datetime import datetime

from contracts.message import Message
from contracts.pipeline import Policy, Promotion
from contracts.registry import (
    AliasMove,
    ApproveModelVersion,
    ImportModelVersion,
    ModelCommandRefused,
    ModelVersionRejected,
    PromotionKind,
    RejectModelVersion,
    RollBackModel,
)
from contracts.serving import RolloutRolledBack
from contracts.training import TrainingRunSucceeded
from services.chassis.errors import RejectedError, TransientError
from services.registry import facts
from services.registry.domain import (
    EXPIRY,
    GATES,
    Alias,
    Aliases,
    Decision,
    Evidence,
    ModelVersion,
    VersionState,
    changes,
    check_evidence,
    forerunner,
    replay,
)
from services.registry.gates import judge
from services.registry.ports import AliasHistory, Models, Versions

VERIFICATION = "verification"
SERVING = "serving"


async def register_version(
    run: TrainingRunSucceeded,
    evidence: Evidence,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    *,
    at: datetime,
) -> list[Message]:
    """Make a run's bundle the next version, and let the gates judge it.

    Raises:
        RejectedError: Its lineage is incomplete or contradicts itself.
        TransientError: Its pipeline is not known, not yet at least.
    """
    check_evidence(run, evidence)
    model = await models.hold(run.pipeline)
    if model is None:
        raise TransientError("pipeline_unknown", pipeline=run.pipeline)
    if await versions.of_run(run.run_id):
        return []
    aliases = replay(await history.of_model(run.pipeline))
    promotion = model.definition.promotion
    verdicts = judge(
        promotion.gates, evidence.report, champion=aliases.champion, dataset=evidence.manifest.lineage.dataset
    )
    version = ModelVersion(
        pipeline=run.pipeline,
        number=await models.next_number(run.pipeline),
        bundle_uri=run.bundle_uri,
        bundle_digest=run.bundle_digest,
        manifest=evidence.manifest,
        report=evidence.report,
        card=evidence.card,
        verdicts=verdicts,
        registered_at=at,
        state=VersionState.AWAITING_APPROVAL,
    ).judged(promotion, at)
    await versions.add(version)
    said = facts.introduced(version, champion=aliases.champion)
    return [*said, await _settle(version, promotion, aliases, history, at)]


async def approve(
    command: ApproveModelVersion, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> list[Message]:
    """Count a person's approval, and promote the version if it was the last one needed.

    Raises:
        RejectedError: There is no such version, or it may not be approved, or not by this person.
    """
    version, aliases = await _found(command.pipeline, command.version, models, versions, history)
    decision = Decision(command.approved_by, command.reason, at)
    approved = version.approved(decision, champion=aliases.champion)
    await versions.put(approved)
    given = facts.approval_given(approved, decision)
    if approved.state is not VersionState.PROMOTED:
        return [given]
    return [given, await _promote(approved, aliases, history, decision, PromotionKind.APPROVAL)]


async def reject(
    command: RejectModelVersion, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> list[Message]:
    """Refuse a version by a person's word.

    Raises:
        RejectedError: There is no such version, or it does not await approval.
    """
    version, aliases = await _found(command.pipeline, command.version, models, versions, history)
    return [await _dismiss(version, aliases, Decision(command.rejected_by, command.reason, at), versions, history)]


async def expire(
    pipeline: str, number: int, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> list[Message]:
    """Refuse a version that nobody, or too few, approved in time; one that is gone or decided by now stays as it is."""
    await models.hold(pipeline)
    version = await versions.get(pipeline, number)
    if version is None or not version.overdue(at):
        return []
    aliases = replay(await history.of_model(pipeline))
    given = len(version.approvals)
    reason = (
        f"the approval expired: {given} of {version.approvals_needed} given by {version.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    return [await _dismiss(version, aliases, Decision(EXPIRY, reason, at), versions, history)]


async def choose_rollback(
    command: RollBackModel, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> ModelVersion:
    """Find the version a rollback leads to.

    Raises:
        RejectedError: There is none, or it is champion already, or never was.
    """
    target = command.to_version or replay(await history.of_model(command.pipeline)).previous
    if target is None:
        raise RejectedError("no_previous_champion", pipeline=command.pipeline)
    version, aliases = await _found(command.pipeline, target, models, versions, history)
    decision = Decision(command.requested_by, command.reason, at)
    return version.rolled_back_to(decision, champion=aliases.champion)


async def roll_back(
    command: RollBackModel, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> list[Message]:
    """Make an earlier champion champion again; its bundle has just been verified.

    Raises:
        RejectedError: It is champion by now.
    """
    version = await choose_rollback(command, models, versions, history, at=at)
    aliases = replay(await history.of_model(command.pipeline))
    await versions.put(version)
    decision = Decision(command.requested_by, command.reason, at)
    return [await _promote(version, aliases, history, decision, PromotionKind.ROLLBACK)]


async def demote(
    event: RolloutRolledBack, models: Models, versions: Versions, history: AliasHistory, *, at: datetime
) -> list[Message]:
    """Call champion what answers, once serving has rolled the champion back.

    A rollout that a newer promotion ended, or that an older promotion began, says nothing about the champion. One of
    the very version that answers takes nothing from it: replicas were to verify it again, and it goes on answering.

    Raises:
        TransientError: The model is not known, not yet at least.
    """
    if event.superseded or event.promoted_at is None or event.serving_version == event.version:
        return []
    if await models.hold(event.pipeline) is None:
        raise TransientError("pipeline_unknown", pipeline=event.pipeline)
    known = await history.of_model(event.pipeline)
    aliases = replay(known)
    since = max((one.decision.at for one in known if one.alias is Alias.CHAMPION), default=at)
    if aliases.champion != event.version or since > event.promoted_at:
        return []
    decision = Decision(SERVING, event.reason, at)
    version = await versions.get(event.pipeline, event.serving_version) if event.serving_version else None
    back = version if version and version.state is VersionState.PROMOTED else None
    previous = forerunner(known, back.number) if back else aliases.previous
    after = aliases.restore(back.number if back else None, previous=None if previous == event.version else previous)
    moved = await _move(event.pipeline, aliases, after, decision, history)
    demoted = facts.demoted(event, decision, champion=after.champion, moved=moved)
    if back is None:
        return [demoted]
    await versions.put(back.rolled_back_to(decision, champion=aliases.champion))
    return [demoted, facts.promoted(back, decision, PromotionKind.ROLLBACK, previous=aliases.champion, moved=())]


def refuse_run(run: TrainingRunSucceeded, error: RejectedError) -> ModelVersionRejected:
    """Say that a run's bundle never became a version, and why."""
    return ModelVersionRejected(
        pipeline=run.pipeline, run_id=run.run_id, rejected_by=VERIFICATION, reason=str(error)[:2000]
    )


def refuse_command(
    command: ApproveModelVersion | RejectModelVersion | RollBackModel | ImportModelVersion,
    command_id: str,
    error: RejectedError,
) -> ModelCommandRefused:
    """Say that a command changed nothing, and why."""
    match command:
        case ApproveModelVersion(approved_by=person):
            number: int | None = command.version
        case RejectModelVersion(rejected_by=person):
            number = command.version
        case RollBackModel(requested_by=person):
            number = command.to_version
        case ImportModelVersion(imported_by=person):
            number = None
    return ModelCommandRefused(
        pipeline=command.pipeline,
        command=command.subject,
        command_id=command_id,
        requested_by=person,
        version=number,
        rule=error.slug,
        detail=str(error)[:1000],
    )


async def _found(
    pipeline: str, number: int, models: Models, versions: Versions, history: AliasHistory
) -> tuple[ModelVersion, Aliases]:
    await models.hold(pipeline)
    version = await versions.get(pipeline, number)
    if version is None:
        raise RejectedError("version_not_found", pipeline=pipeline, version=number)
    return version, replay(await history.of_model(pipeline))


async def _settle(
    version: ModelVersion, promotion: Promotion, aliases: Aliases, history: AliasHistory, at: datetime
) -> Message:
    """Say what the gates and the policy made of a new version."""
    if version.decision is None:
        people = "a person" if promotion.approvals == 1 else f"{promotion.approvals} people"
        wish = f"asks {people}" if promotion.policy is Policy.ASK else "tells people, who may approve it"
        decision = Decision(GATES, f"passed every gate; the policy {wish}", at)
        moved = await _move(version.pipeline, aliases, aliases.challenge(version.number), decision, history)
        return facts.awaiting(version, decision, moved)
    if version.state is VersionState.REJECTED:
        return facts.rejected(version, version.decision)
    return await _promote(version, aliases, history, version.decision, PromotionKind.GATES)


async def _dismiss(
    version: ModelVersion, aliases: Aliases, decision: Decision, versions: Versions, history: AliasHistory
) -> Message:
    await versions.put(version.rejected(decision))
    moved = await _move(version.pipeline, aliases, aliases.dismiss(version.number), decision, history)
    return facts.rejected(version, decision, moved)


async def _promote(
    version: ModelVersion, aliases: Aliases, history: AliasHistory, decision: Decision, kind: PromotionKind
) -> Message:
    moved = await _move(version.pipeline, aliases, aliases.promote(version.number), decision, history)
    return facts.promoted(version, decision, kind, previous=aliases.champion, moved=moved)


async def _move(
    pipeline: str, before: Aliases, after: Aliases, decision: Decision, history: AliasHistory
) -> tuple[AliasMove, ...]:
    await history.extend(pipeline, changes(before, after, decision))
    return facts.moves(before, after)
