"""Finding what may go for good, and letting go of it: first of what is known, then of the files."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from contracts.logged_models import LoggedModelCollected
from contracts.message import Message
from contracts.registered_models import ModelVersionCollected
from contracts.tracking import ExperimentCollected, RunCollected
from services.chassis.logs import Log
from services.chassis.work import Transaction, Work
from services.registry.artifacts.ports import Holders
from services.registry.domain import Decision
from services.registry.garbage.domain import Garbage, Kind, Place, Rules
from services.registry.garbage.places import ARTIFACTS
from services.registry.garbage.ports import Erasures, Heap, Store

PAGE = 200
AT_ONCE = 20
"""Places that are erased before anything else is done."""
UPLOADING = timedelta(hours=1)
"""What was written to since then may go on, whatever the rules say."""

log = Log(__name__)


@dataclass(frozen=True)
class Collector:
    """Finds garbage, and lets go of it.

    Everything raises ``TransientError`` where the store does not answer.
    """

    store: Store

    async def plan(self, work: Work, rules: Rules, at: datetime, *, limit: int) -> tuple[list[Garbage], bool]:
        """List what could go now, what others need included, in the order in which it would.

        Returns:
            At most ``limit``, and whether there is more.
        """
        left = await self._left(rules, at)
        found: list[Garbage] = []
        async with work.transaction(write=False) as tx:
            for part in (_known(tx, rules, at), left.found(tx)):
                async for one in part:
                    if len(found) == limit:
                        return found, True
                    found.append(one)
        return found, False

    async def collect(
        self, work: Work, rules: Rules, decision: Decision, *, limit: int = PAGE
    ) -> tuple[list[Garbage], bool]:
        """Let go of what nobody needs, and have its files erased.

        Returns:
            What went, at most ``limit``, and whether there is more.
        """
        async with work.transaction() as tx:
            went, more = await _take(_known(tx, rules, decision.at), tx, decision, limit)
        if more:
            return went, True
        left = await self._left(rules, decision.at)
        async with work.transaction() as tx:
            rest, more = await _take(left.found(tx), tx, decision, limit - len(went))
        return [*went, *rest], more

    async def _left(self, rules: Rules, at: datetime) -> "_Left":
        # Listing files takes its time, so no transaction waits for it.
        before = at - rules.failed
        unfinished = await self.store.unfinished(min(before, at - UPLOADING))
        return _Left(await self.store.training_runs(), unfinished, before)


@dataclass(frozen=True)
class _Left:
    """What lies in the store, where only its age and how its run ended tell that it is of no use."""

    runs: Sequence[UUID]
    unfinished: Sequence[Garbage]
    before: datetime

    async def found(self, tx: Transaction) -> AsyncIterator[Garbage]:
        heap, erasures = tx.port(Heap), tx.port(Erasures)
        for start in range(0, len(self.runs), PAGE):
            failed = await heap.failed(self.runs[start : start + PAGE], self.before)
            for one in await _not_waiting(failed, erasures):
                yield one
        for one in await _not_waiting(self.unfinished, erasures):
            yield one


async def _known(tx: Transaction, rules: Rules, at: datetime) -> AsyncIterator[Garbage]:
    heap, deleted = tx.port(Heap), at - rules.deleted
    refused = None if rules.refused is None else at - rules.refused
    pages: tuple[Callable[[str], Awaitable[list[Garbage]]], ...] = (
        lambda after: heap.runs(deleted, after=after, limit=PAGE),
        lambda after: heap.logged_models(deleted, after=after, limit=PAGE),
        lambda after: heap.experiments(deleted, after=after, limit=PAGE),
        lambda after: heap.versions(deleted, refused, after=after, limit=PAGE),
    )
    for page in pages:
        after = ""
        while found := await page(after):
            for one in found:
                yield one
            after = found[-1].id


async def _take(
    found: AsyncIterator[Garbage], tx: Transaction, decision: Decision, limit: int
) -> tuple[list[Garbage], bool]:
    more, going = False, list[Garbage]()
    async for one in found:
        if not one.needed_by:
            if more := len(going) == limit:
                break
            going.append(one)
    went: list[Garbage] = []
    for kind, same in groupby(going, key=lambda one: one.kind):
        gone, places = await _drop(kind, list(same), tx.port(Heap), decision.at)
        went += gone
        for place in places:
            await tx.port(Erasures).add(place)
    for one in went:
        for fact in _facts(one, decision):
            tx.say(fact)
    return went, more


@dataclass(frozen=True)
class Eraser:
    """Erases the files that nothing leads to any more."""

    store: Store

    async def step(self, work: Work) -> None:
        """Erase what waits. Killed in between, it is erased again, which changes nothing."""
        while True:
            async with work.transaction(write=False) as tx:
                places = await tx.port(Erasures).first(AT_ONCE)
                needed = [place for place in places if await _is_needed(place, tx)]
            for place in places:
                if place in needed:
                    log.warning("files stay: a version that was registered meanwhile needs them", path=place.path)
                else:
                    await self.store.erase(place)
            if places:
                async with work.transaction() as tx:
                    for place in places:
                        await tx.port(Erasures).close(place)
            if len(places) < AT_ONCE:
                return


async def _not_waiting(found: Sequence[Garbage], erasures: Erasures) -> list[Garbage]:
    """Leave out what was collected already, and only waits for being erased."""
    waiting = await erasures.waiting([one.place.path for one in found if one.place])
    return [one for one in found if not (one.place and one.place.path in waiting)]


async def _is_needed(place: Place, tx: Transaction) -> bool:
    """Tell whether a version has its files there by now: what is logged again, or told from the log, may."""
    if await tx.port(Heap).has_bundle(place):
        return True
    root, _, path = place.path.partition("/")
    holders = tx.port(Holders)
    return root == ARTIFACTS and bool(await holders.above(path) or await holders.below(path))


async def _drop(kind: Kind, going: list[Garbage], heap: Heap, at: datetime) -> tuple[list[Garbage], list[Place]]:
    """Let go of things of one kind; tells which went, and where their files are."""
    match kind:
        case Kind.RUN:
            return going, await heap.drop_runs([one.id for one in going])
        case Kind.LOGGED_MODEL:
            return going, await heap.drop_logged_models([one.id for one in going])
        case Kind.EXPERIMENT:
            return [one for one in going if await heap.drop_experiment(one.id)], []
        case Kind.VERSION:
            closed = [await heap.close_version(one.pipeline, _number(one), at) for one in going]
            return going, [place for place in closed if place]
    return going, [one.place for one in going if one.place]


def _number(version: Garbage) -> int:
    return int(version.id.rpartition("/")[2])


def _facts(one: Garbage, decision: Decision) -> list[Message]:
    said = {"pipeline": one.pipeline, "collected_by": decision.by, "reason": decision.reason}
    at_ms = int(decision.at.timestamp() * 1000)
    match one.kind:
        case Kind.RUN:
            return [RunCollected(run_id=one.id, at_ms=at_ms, **said)]
        case Kind.LOGGED_MODEL:
            return [LoggedModelCollected(model_id=one.id, at_ms=at_ms, **said)]
        case Kind.EXPERIMENT:
            return [ExperimentCollected(experiment_id=one.id, name=one.name, at_ms=at_ms, **said)]
        case Kind.VERSION:
            return [ModelVersionCollected(version=_number(one), at=decision.at, **said)]
    return []
