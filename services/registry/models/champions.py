"""Champions that were only logged, and what is said of them to serving. Ports in, facts out."""

from dataclasses import dataclass
from datetime import datetime

from contracts.message import Message
from contracts.registered_models import ModelAliasMoved
from contracts.registry import AliasMove, GateVerdict, PromotionKind, RollBackModel
from contracts.serving import RolloutRolledBack
from services.chassis.errors import RejectedError
from services.chassis.subscriptions import Cause
from services.registry.domain import Alias, AliasChange, Aliases, Decision, VersionState, changes, forerunner, replay
from services.registry.facts import moves
from services.registry.models.domain import LONGEST_REASON, VersionEntry
from services.registry.models.labels import SERVING
from services.registry.models.naming import found, own_aliases_moved
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.packing.domain import Packed
from services.registry.ports import AliasHistory


@dataclass(frozen=True, slots=True)
class Terms:
    """On what a logged version may be champion."""

    kind: PromotionKind
    decision: Decision
    verdicts: tuple[GateVerdict, ...] = ()


async def choose_rollback(
    command: RollBackModel, models: NamedModels, versions: NamedVersions, history: AliasHistory
) -> VersionEntry | None:
    """Find the logged version that a rollback leads to; None if the model is a pipeline's.

    Raises:
        RejectedError: There is none, or it is champion already, or never was.
    """
    model = await models.hold_key(command.pipeline)
    if model is None or model.is_pipeline:
        return None
    aliases = replay(await history.of_model(model.pipeline))
    number = command.to_version or aliases.previous
    if number is None:
        raise RejectedError("no_previous_champion", pipeline=command.pipeline)
    version = await found(model, number, versions)
    if number == aliases.champion:
        raise RejectedError("already_champion", version=number)
    if version.state is not VersionState.PROMOTED:
        raise RejectedError("never_champion", version=number, state=version.state.value)
    return version


async def go_back(
    command: RollBackModel,
    packed: Packed,
    models: NamedModels,
    versions: NamedVersions,
    history: AliasHistory,
    *,
    at: datetime,
) -> list[Message]:
    """Make a logged champion of before champion again; its bundle has just been verified.

    Raises:
        RejectedError: It is champion by now.
    """
    version = await choose_rollback(command, models, versions, history)
    if version is None:
        raise RejectedError("version_not_found", pipeline=command.pipeline, version=command.to_version)
    terms = Terms(PromotionKind.ROLLBACK, Decision(command.requested_by, command.reason, at))
    return await enthrone(version, packed, terms, versions, history)


async def demote(
    event: RolloutRolledBack, versions: NamedVersions, history: AliasHistory, cause: Cause, *, by: str
) -> list[Message]:
    """Call champion what answers, once serving has rolled a logged champion back; see decision 14.

    The model is held, and no pipeline's.
    """
    if event.superseded or event.promoted_at is None or event.serving_version == event.version:
        return []
    known = await history.of_model(event.pipeline)
    before = replay(known)
    since = max((one.decision.at for one in known if one.alias is Alias.CHAMPION), default=cause.received_at)
    if before.champion != event.version or since > event.promoted_at:
        return []
    answering = await versions.get(event.pipeline, event.serving_version) if event.serving_version else None
    back = answering.number if answering and answering.state is VersionState.PROMOTED else None
    previous = forerunner(known, back) if back else before.previous
    after = before.restore(back, previous=None if previous == event.version else previous)
    decision = Decision(by, event.reason[:LONGEST_REASON], cause.received_at)
    await history.extend(event.pipeline, changes(before, after, decision))
    if back:
        await versions.decide(event.pipeline, back, VersionState.PROMOTED, decision)
    return [*own_aliases_moved(event.pipeline, before, after, decision)]


async def keep(event: ModelAliasMoved, versions: NamedVersions) -> None:
    """Note of a logged champion what it is served as, or why it is not."""
    packed = Packed(event.bundle_uri, event.bundle_digest, event.not_served)
    if event.version is None or packed == Packed():
        return
    await versions.pack(event.pipeline, event.version, packed.bundle_uri, packed.bundle_digest)
    await versions.tag(event.pipeline, event.version, SERVING, packed.told)


async def enthrone(
    version: VersionEntry, packed: Packed, terms: Terms, versions: NamedVersions, history: AliasHistory
) -> list[Message]:
    """Make a logged version champion, on terms that hold, and say what serving loads, or why it can't."""
    pipeline, number, decision = version.pipeline, version.number, terms.decision
    before = replay(await history.of_model(pipeline))
    # Who is champion already, and only now can be served, is so once more, and leaves no forerunner.
    again = before.champion == number
    after = before if again else before.promote(number)
    moved = changes(before, after, decision) or (AliasChange(Alias.CHAMPION, number, decision),)
    await history.extend(pipeline, moved)
    await versions.decide(pipeline, number, VersionState.PROMOTED, decision)
    said = [_told(fact, packed, terms) for fact in _facts(pipeline, before, after, terms)]
    for fact in said:
        await keep(fact, versions)
    return [*said]


def _facts(pipeline: str, before: Aliases, after: Aliases, terms: Terms) -> list[ModelAliasMoved]:
    if moves(before, after):
        return own_aliases_moved(pipeline, before, after, terms.decision, terms.verdicts)
    same = AliasMove(alias=Alias.CHAMPION.value, version=after.champion, previous_version=before.champion)
    decision = terms.decision
    return [
        ModelAliasMoved(
            pipeline=pipeline, **same.model_dump(), moved_by=decision.by, reason=decision.reason, at=decision.at
        )
    ]


def _told(fact: ModelAliasMoved, packed: Packed, terms: Terms) -> ModelAliasMoved:
    if fact.alias != Alias.CHAMPION:
        return fact
    return fact.model_copy(
        update={
            "kind": terms.kind,
            "bundle_uri": packed.bundle_uri,
            "bundle_digest": packed.bundle_digest,
            "not_served": packed.obstacle,
        }
    )
