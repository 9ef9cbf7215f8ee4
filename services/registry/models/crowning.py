"""Champions that were only logged: how one may become it, and what that says to serving.

It becomes a bundle first, so that by the time it is champion everybody knows whether it can answer. One that cannot is
champion all the same, for a name is a person's to give; whoever answered before goes on answering.
"""

from dataclasses import replace

from contracts.registry import PromotionKind
from services.chassis.errors import RejectedError
from services.chassis.work import Transaction, Work
from services.registry.domain import Decision, VersionState
from services.registry.models.champions import Terms, enthrone
from services.registry.models.domain import LONGEST_REASON, HeldModel, VersionEntry
from services.registry.models.judging import let_through, said_by
from services.registry.models.naming import found, held
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.packing.locating import path_of
from services.registry.packing.ports import Packing
from services.registry.ports import AliasHistory


async def crown(name: str, number: int, decision: Decision, work: Work) -> str:
    """Make a logged version champion.

    Returns:
        How it is served, or why not, in a sentence.

    Raises:
        RejectedError: It may not be champion, or the bundle that it had is not what it was.
        TransientError: The store does not answer.
    """
    async with work.transaction() as tx:
        model = await held(name, tx.port(NamedModels))
        version = await found(model, number, tx.port(NamedVersions))
        await _terms(model, version, decision, tx)
        path, packing = await path_of(version, tx), tx.port(Packing)
    packed = await packing.ready(version, path)
    async with work.transaction() as tx:
        # Read again under the lock: packing takes a while, and gates may be others by now.
        model = await held(name, tx.port(NamedModels))
        version = await found(model, number, tx.port(NamedVersions))
        terms = await _terms(model, version, decision, tx)
        for fact in await enthrone(version, packed, terms, tx.port(NamedVersions), tx.port(AliasHistory)):
            tx.say(fact)
    return packed.told


async def _terms(model: HeldModel, version: VersionEntry, decision: Decision, tx: Transaction) -> Terms:
    if model.is_pipeline:
        raise RejectedError("not_made_by_the_pipeline", version=version.number, hint="a run of the pipeline has gates")
    match version.state:
        case VersionState.LOGGED:
            verdicts = await let_through(version, tx)
            return Terms(PromotionKind.GATES, replace(decision, reason=said_by(verdicts)), verdicts)
        case VersionState.WAIVED:
            reason = f"{decision.reason}; its gates were waived: {version.reason}"
            return Terms(PromotionKind.WAIVER, replace(decision, reason=reason[:LONGEST_REASON]))
    return Terms(PromotionKind.ROLLBACK, decision)
