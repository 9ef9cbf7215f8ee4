"""What the facts about versions say of the state: each is taken at its word, nothing is decided again."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from contracts.message import Message
from contracts.registered_models import ModelVersionCollected
from contracts.registry import (
    ImportModelVersion,
    ModelVersionApprovalGiven,
    ModelVersionAwaitingApproval,
    ModelVersionDemoted,
    ModelVersionGatesEvaluated,
    ModelVersionImported,
    ModelVersionPromoted,
    ModelVersionRegistered,
    ModelVersionRejected,
)
from contracts.training import PipelineRegistered, TrainingRunSucceeded
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause, Subscription
from services.registry import facts
from services.registry.domain import (
    GATES,
    Alias,
    AliasChange,
    Aliases,
    Decision,
    Inspection,
    Model,
    ModelVersion,
    VersionState,
    forerunner,
    replay,
)
from services.registry.garbage.ports import Erasures, Heap
from services.registry.past.ports import Records
from services.registry.ports import AliasHistory, Bundles, Inspections, Models, Versions

Moving = ModelVersionAwaitingApproval | ModelVersionPromoted | ModelVersionDemoted | ModelVersionRejected


@dataclass(frozen=True)
class Unsettled:
    """Versions of which it was not said yet what became of them: registered, then judged, then settled.

    Of those ``collected`` it is known beforehand that most of their files are gone.
    """

    registered: dict[tuple[str, int], ModelVersionRegistered] = field(default_factory=dict)
    judged: dict[tuple[str, int], ModelVersion] = field(default_factory=dict)
    collected: set[tuple[str, int]] = field(default_factory=set)


async def pipeline_registered(event: PipelineRegistered, models: Models, cause: Cause) -> list[Message]:
    """Keep the gates and the policy that were in force from then on."""
    await models.put(Model(event.pipeline, event.definition, registered_at=cause.said_at))
    return []


async def run_succeeded(event: TrainingRunSucceeded, inspections: Inspections, cause: Cause) -> list[Message]:
    """Have its bundle read, unless the log goes on to tell what became of it."""
    await inspections.add(Inspection(f"run:{event.run_id}", event, cause, due_at=cause.received_at))
    return []


async def version_registered(event: ModelVersionRegistered, unsettled: Unsettled) -> list[Message]:
    """Remember it; what its gates said follows."""
    unsettled.registered[event.pipeline, event.version] = event
    return []


async def gates_evaluated(
    event: ModelVersionGatesEvaluated,
    unsettled: Unsettled,
    inspections: Inspections,
    bundles: Bundles,
    records: Records,
    cause: Cause,
) -> list[Message]:
    """Read again what its run left, every digest verified; what became of it follows."""
    key = (event.pipeline, event.version)
    registered = unsettled.registered.pop(key, None)
    if registered is None:
        raise RejectedError("registration_not_found", version=event.version)
    inspection = await inspections.find(f"run:{registered.run_id}")
    if inspection is None or not isinstance(inspection.message, TrainingRunSucceeded):
        raise RejectedError("run_not_found", run_id=registered.run_id)
    evidence = await (records if key in unsettled.collected else bundles).examine(inspection.message)
    await inspections.close(inspection.key, "decided")
    unsettled.judged[key] = ModelVersion(
        pipeline=event.pipeline,
        number=event.version,
        bundle_uri=registered.bundle_uri,
        bundle_digest=registered.bundle_digest,
        manifest=evidence.manifest,
        report=evidence.report,
        card=evidence.card,
        verdicts=event.verdicts,
        registered_at=registered.registered_at or cause.said_at,
        state=VersionState.AWAITING_APPROVAL,
    )
    return []


async def version_imported(
    event: ModelVersionImported,
    unsettled: Unsettled,
    models: Models,
    versions: Versions,
    bundles: Bundles,
    records: Records,
) -> list[Message]:
    """Add a version that came from another registry, and its model where that was not known."""
    order = ImportModelVersion.model_validate(event.model_dump(), extra="ignore")
    collected = (event.pipeline, event.version) in unsettled.collected
    arrival = await (records if collected else bundles).receive(order)
    if await models.get(event.pipeline) is None:
        await models.put(Model(event.pipeline, arrival.definition, registered_at=event.imported_at))
    await versions.add(
        ModelVersion(
            pipeline=event.pipeline,
            number=await models.next_number(event.pipeline, at_least=event.version),
            bundle_uri=event.bundle_uri,
            bundle_digest=event.bundle_digest,
            manifest=arrival.evidence.manifest,
            report=arrival.evidence.report,
            card=arrival.evidence.card,
            verdicts=arrival.record.verdicts,
            registered_at=event.imported_at,
            state=VersionState.IMPORTED,
            decision=Decision(event.imported_by, event.reason, event.imported_at),
        )
    )
    return []


async def awaiting_approval(
    event: ModelVersionAwaitingApproval,
    unsettled: Unsettled,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    cause: Cause,
) -> list[Message]:
    """Let it challenge, on the terms of then."""

    def asked(version: ModelVersion) -> ModelVersion:
        return replace(version, approvals_needed=event.approvals, expires_at=event.expires_at)

    await _settle(event, event.version, asked, unsettled, models, versions)
    decision = Decision(GATES, event.reason, event.decided_at or cause.said_at)
    await _move(event, decision, history, lambda aliases: aliases.challenge(event.version))
    return []


async def approval_given(event: ModelVersionApprovalGiven, versions: Versions) -> list[Message]:
    """Count an approval."""
    version = await _known(event.pipeline, event.version, versions)
    given = Decision(event.approved_by, event.reason, event.decided_at)
    await versions.put(replace(version, approvals=(*version.approvals, given)))
    return []


async def version_promoted(
    event: ModelVersionPromoted,
    unsettled: Unsettled,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    cause: Cause,
) -> list[Message]:
    """Let it be champion. Where a demotion brought it back, that has moved the aliases already."""
    decision = Decision(event.promoted_by, event.reason, event.decided_at or cause.said_at)
    promoted = _decided(VersionState.PROMOTED, decision)
    await _settle(event, event.version, promoted, unsettled, models, versions)

    def follows(aliases: Aliases) -> Aliases:
        return aliases if aliases.champion == event.version else aliases.promote(event.version)

    await _move(event, decision, history, follows)
    return []


async def version_demoted(event: ModelVersionDemoted, history: AliasHistory, cause: Cause) -> list[Message]:
    """Let another be champion, or none."""
    decision = Decision(event.demoted_by, event.reason, event.decided_at or cause.said_at)
    champion, known = event.champion_version, await history.of_model(event.pipeline)

    def follows(aliases: Aliases) -> Aliases:
        previous = forerunner(known, champion) if champion else aliases.previous
        return aliases.restore(champion, previous=None if previous == event.version else previous)

    await _move(event, decision, history, follows)
    return []


async def version_collected(
    event: ModelVersionCollected, unsettled: Unsettled, heap: Heap, erasures: Erasures
) -> list[Message]:
    """Note that a version's files are gone; said before anything else, it tells what not to look for."""
    key = (event.pipeline, event.version)
    if key not in unsettled.collected:
        unsettled.collected.add(key)
    elif place := await heap.close_version(*key, event.at):
        await erasures.add(place)
    return []


async def version_rejected(
    event: ModelVersionRejected,
    unsettled: Unsettled,
    models: Models,
    versions: Versions,
    history: AliasHistory,
    inspections: Inspections,
    cause: Cause,
) -> list[Message]:
    """Refuse it; a bundle that never became a version is not inspected again."""
    number = event.version
    if number is None:
        await inspections.close(f"run:{event.run_id}", event.reason)
        return []
    decision = Decision(event.rejected_by, event.reason, event.decided_at or cause.said_at)
    rejected = _decided(VersionState.REJECTED, decision)
    await _settle(event, number, rejected, unsettled, models, versions)
    await _move(event, decision, history, lambda aliases: aliases.dismiss(number))
    return []


def _decided(state: VersionState, decision: Decision) -> Callable[[ModelVersion], ModelVersion]:
    return lambda version: replace(version, state=state, decision=decision)


async def _settle(
    event: Message,
    number: int,
    change: Callable[[ModelVersion], ModelVersion],
    unsettled: Unsettled,
    models: Models,
    versions: Versions,
) -> None:
    """Add a new version as it turned out, or change one that is known."""
    judged = unsettled.judged.pop((event.pipeline, number), None)
    if judged is None:
        await versions.put(change(await _known(event.pipeline, number, versions)))
        return
    await models.next_number(event.pipeline, at_least=number)
    await versions.add(change(judged))


async def _known(pipeline: str, number: int, versions: Versions) -> ModelVersion:
    version = await versions.get(pipeline, number)
    if version is None:
        raise RejectedError("version_not_found", pipeline=pipeline, version=number)
    return version


async def _move(
    event: Moving, decision: Decision, history: AliasHistory, follows: Callable[[Aliases], Aliases]
) -> None:
    """Write down what moved: what the event says, or what followed from events that did not say it yet."""
    moved = event.moved
    if moved is None:
        aliases = replay(await history.of_model(event.pipeline))
        moved = facts.moves(aliases, follows(aliases))
    changes = (AliasChange(Alias(move.alias), move.version, decision) for move in moved)
    await history.extend(event.pipeline, tuple(changes))


REPLAYED = (
    Subscription(PipelineRegistered, pipeline_registered),
    Subscription(TrainingRunSucceeded, run_succeeded),
    Subscription(ModelVersionRegistered, version_registered),
    Subscription(ModelVersionGatesEvaluated, gates_evaluated),
    Subscription(ModelVersionImported, version_imported),
    Subscription(ModelVersionAwaitingApproval, awaiting_approval),
    Subscription(ModelVersionApprovalGiven, approval_given),
    Subscription(ModelVersionPromoted, version_promoted),
    Subscription(ModelVersionDemoted, version_demoted),
    Subscription(ModelVersionRejected, version_rejected),
    Subscription(ModelVersionCollected, version_collected),
)
