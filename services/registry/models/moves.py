"""Aliases and stages that people move: their own freely, the registry's only where its decisions allow it.

A champion is never taken away, only replaced: by gates, by approval, or by going back to an earlier one. So whoever
points at a champion from outside takes the same way as everyone else, or is told which way there is.
"""

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

from contracts.message import Message, utc_now
from contracts.registered_models import ModelVersionArchived
from contracts.registry import RollBackModel
from services.chassis.errors import RejectedError, TransientError
from services.chassis.subscriptions import Cause
from services.chassis.telemetry import current_traceparent
from services.chassis.work import Transaction, Work
from services.registry import decisions
from services.registry.domain import Alias, Aliases, Decision, Inspection, VersionState, changes, replay
from services.registry.inspection import DECIDED
from services.registry.models.crowning import crown
from services.registry.models.domain import HeldModel, Stage, VersionEntry
from services.registry.models.labels import SERVING
from services.registry.models.naming import OWN_ALIASES, found, held, own_aliases_moved, point_alias
from services.registry.models.ports import NamedAliases, NamedModels, NamedVersions
from services.registry.ports import AliasHistory, Inspections, Models, Versions

ASKED = "asked for by an MLflow client"
PATIENCE_S = 30.0
"""How long a client is kept waiting for a bundle to be verified."""
LOOK_EVERY_S = 0.02
OF_STAGE = {Stage.PRODUCTION: Alias.CHAMPION, Stage.STAGING: Alias.CHALLENGER}


async def point(name: str, alias: str, number: int, work: Work, *, by: str) -> str | None:
    """Point an alias at a version, and wait until it does.

    Returns:
        Of a champion that was only logged: how it is served, or why not, in a sentence.

    Raises:
        RejectedError: There is no such version, or it may not be what the alias says.
        TransientError: A bundle is still being verified.
    """
    verified: str | None = None
    async with work.transaction() as tx:
        model = await held(name, tx.port(NamedModels))
        version = await found(model, number, tx.port(NamedVersions))
        decision = Decision(by, ASKED, utc_now())
        logged_champion = alias == Alias.CHAMPION and not version.is_bundle
        if alias in version.aliases and not (logged_champion and version.bundle_uri is None):
            return version.tags.get(SERVING) if logged_champion else None
        match alias:
            case Alias.CHAMPION if logged_champion:
                pass
            case Alias.CHAMPION:
                verified = await _crown(model, version, decision, tx)
            case Alias.CHALLENGER:
                await _challenge(model, version, decision, tx)
            case Alias.PREVIOUS:
                raise RejectedError("previous_follows_the_champion", version=number)
            case _:
                aliases = tx.port(NamedAliases)
                _say(await point_alias(model, alias, number, aliases, by=by, at=decision.at), tx)
    if logged_champion:
        return await crown(name, number, decision, work)
    if verified:
        await _wait_for(verified, work)
    return None


async def remove(name: str, alias: str, tx: Transaction, *, by: str) -> None:
    """Let an alias point at nothing.

    Raises:
        RejectedError: There is no such model, or the alias is the registry's and stays.
    """
    model = await held(name, tx.port(NamedModels))
    aliases = tx.port(NamedAliases)
    number = await aliases.find(model.pipeline, alias)
    if number is None:
        return
    decision = Decision(by, ASKED, utc_now())
    if alias in OWN_ALIASES:
        await _let_go(model, await found(model, number, tx.port(NamedVersions)), Alias(alias), decision, tx)
        return
    _say(await point_alias(model, alias, None, aliases, by=by, at=decision.at), tx)


async def give_stage(name: str, number: int, stage: Stage, work: Work, *, by: str, archive_others: bool) -> None:
    """Give a version a stage, which is an alias by another name, or puts it away.

    Raises:
        RejectedError: There is no such version, or it may not be what the stage says.
        TransientError: A bundle is still being verified.
    """
    async with work.transaction() as tx:
        model = await held(name, tx.port(NamedModels))
        version = await found(model, number, tx.port(NamedVersions))
        if stage not in OF_STAGE:
            await _put_away(model, version, stage is Stage.ARCHIVED, Decision(by, ASKED, utc_now()), tx)
            return
        before = await tx.port(NamedAliases).find(model.pipeline, OF_STAGE[stage])
    await point(name, OF_STAGE[stage], number, work, by=by)
    if archive_others and before and before != number:
        async with work.transaction() as tx:
            await held(name, tx.port(NamedModels))
            other = await tx.port(NamedVersions).get(model.pipeline, before)
            if other:
                await _archive(other, True, by, tx)


async def _crown(model: HeldModel, version: VersionEntry, decision: Decision, tx: Transaction) -> str:
    """Have the bundle of an earlier champion verified; gives the key of that inspection."""
    number = version.number
    if version.state is VersionState.AWAITING_APPROVAL:
        hint = f"everloop approve {model.pipeline} {number} --reason …"
        raise RejectedError("approval_needed", version=number, hint=hint)
    if version.state is not VersionState.PROMOTED:
        verdict = version.reason or f"it is {version.state.value}"
        raise RejectedError("gates_not_passed", version=number, verdict=verdict)
    return await _roll_back(model, number, decision, tx)


async def _roll_back(model: HeldModel, number: int, decision: Decision, tx: Transaction) -> str:
    """Go back to an earlier champion, the way every rollback goes."""
    command = RollBackModel(
        pipeline=model.pipeline, to_version=number, requested_by=decision.by, reason=decision.reason
    )
    await decisions.choose_rollback(command, tx.port(Models), tx.port(Versions), tx.port(AliasHistory), at=decision.at)
    wish = str(uuid4())
    cause = Cause(wish, wish, decision.at, decision.at, current_traceparent())
    await tx.port(Inspections).add(Inspection(f"rollback:{wish}", command, cause, due_at=decision.at))
    return f"rollback:{wish}"


async def _wait_for(inspection: str, work: Work) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            outcome = await _outcome(inspection, work)
    except TimeoutError as error:
        raise TransientError("bundle_still_being_verified", inspection=inspection) from error
    if outcome != DECIDED:
        raise RejectedError("rollback_refused", verdict=outcome)


async def _outcome(inspection: str, work: Work) -> str:
    while True:
        async with work.transaction(write=False) as tx:
            outcome = await tx.port(Inspections).outcome(inspection)
        if outcome is not None:
            return outcome
        await asyncio.sleep(LOOK_EVERY_S)


async def _challenge(model: HeldModel, version: VersionEntry, decision: Decision, tx: Transaction) -> None:
    """Make a version the one that waits for a decision."""
    number = version.number
    waiting = VersionState.AWAITING_APPROVAL if model.is_pipeline else VersionState.LOGGED
    if version.state not in (waiting, VersionState.WAIVED):
        verdict = version.reason or f"it is {version.state.value}"
        raise RejectedError("does_not_await_a_decision", version=number, verdict=verdict)
    await _move(model, lambda aliases: aliases.challenge(number), decision, tx)
    await _archive(version, False, decision.by, tx)


async def _put_away(
    model: HeldModel, version: VersionEntry, archived: bool, decision: Decision, tx: Transaction
) -> None:
    for alias in (Alias.CHAMPION, Alias.CHALLENGER):
        if alias in version.aliases:
            await _let_go(model, version, alias, decision, tx)
    await _archive(version, archived, decision.by, tx)


async def _let_go(model: HeldModel, version: VersionEntry, alias: Alias, decision: Decision, tx: Transaction) -> None:
    """Take an alias of the registry from a version; only a challenger that nobody asked to approve may lose it."""
    if alias is not Alias.CHALLENGER or version.is_bundle:
        raise RejectedError("alias_is_only_moved", alias=alias.value, hint=_WAYS_OUT[alias])
    await _move(model, lambda aliases: aliases.dismiss(version.number), decision, tx)


async def _archive(version: VersionEntry, archived: bool, by: str, tx: Transaction) -> None:
    if version.archived is archived:
        return
    at = utc_now()
    await tx.port(NamedVersions).archive(version.pipeline, version.number, archived, at=at)
    tx.say(
        ModelVersionArchived(
            pipeline=version.pipeline,
            version=version.number,
            archived=archived,
            previously=not archived,
            archived_by=by,
            at=at,
        )
    )


async def _move(
    model: HeldModel,
    to: Callable[[Aliases], Aliases],
    decision: Decision,
    tx: Transaction,
) -> None:
    history = tx.port(AliasHistory)
    before = replay(await history.of_model(model.pipeline))
    after = to(before)
    await history.extend(model.pipeline, changes(before, after, decision))
    _say(own_aliases_moved(model.pipeline, before, after, decision), tx)


def _say(facts: Sequence[Message], tx: Transaction) -> None:
    for fact in facts:
        tx.say(fact)


_WAYS_OUT = {
    Alias.CHAMPION: "a champion is replaced: by a run, everloop approve or everloop rollback",
    Alias.CHALLENGER: "a challenger is decided about: everloop approve or everloop reject",
    Alias.PREVIOUS: "it follows the champion",
}
