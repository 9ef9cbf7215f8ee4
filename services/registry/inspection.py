"""Reading bundles outside of any transaction, then deciding inside one.

A bundle may lie far away and be large, so reading it is no handler's work. Every step may be repeated: what
was decided is closed in the same transaction, and a crash before that leaves the inspection due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.message import Message, utc_now
from contracts.registry import ImportModelVersion, RollBackModel
from contracts.training import TrainingRunSucceeded
from services.chassis.errors import MalformedError, RejectedError, TransientError
from services.chassis.logs import Log
from services.chassis.work import Transaction, Work
from services.registry import decisions
from services.registry.domain import Arrival, Evidence, Inspection
from services.registry.importing import import_version
from services.registry.models import champions
from services.registry.models.ports import NamedModels, NamedVersions
from services.registry.packing.domain import Packed
from services.registry.packing.locating import path_of
from services.registry.packing.ports import Packing
from services.registry.ports import AliasHistory, Bundles, Inspections, Models, Versions

log = Log(__name__)

BATCH = 10
DECIDED = "decided"
"""Outcome of an inspection whose bundle agrees; any other outcome says what was wrong."""
LONGEST_PAUSE_S = 60

Found = Evidence | Arrival | Packed | None
"""What was read: nothing is told of a bundle that was only verified."""


@dataclass(frozen=True)
class Inspector:
    """Works off the inspections that are due.

    ``max_attempts`` bounds how often a store that does not answer is asked for one bundle.
    """

    bundles: Bundles
    max_attempts: int
    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Inspect what is due, one bundle after the other."""
        async with work.transaction(write=False) as tx:
            due = await tx.port(Inspections).due(self.clock(), limit=BATCH)
        for inspection in due:
            await self._inspect(inspection, work)

    async def _inspect(self, inspection: Inspection, work: Work) -> None:
        try:
            found = await self._read(inspection, work)
            async with work.transaction() as tx:
                await self._decide(inspection, found, tx)
        except RejectedError as error:
            await self._refuse(inspection, error, work)
        except TransientError as error:
            if inspection.attempts + 1 >= self.max_attempts:
                await self._refuse(inspection, RejectedError("inspection_gave_up", last=str(error)), work)
                return
            pause = timedelta(seconds=min(2**inspection.attempts, LONGEST_PAUSE_S))
            log.info("inspection postponed", key=inspection.key, error=str(error))
            async with work.transaction() as tx:
                await tx.port(Inspections).postpone(inspection.key, self.clock() + pause)

    async def _read(self, inspection: Inspection, work: Work) -> Found:
        match inspection.message:
            case TrainingRunSucceeded() as run:
                return await self.bundles.examine(run)
            case ImportModelVersion() as command:
                return await self.bundles.receive(command)
            case RollBackModel(pipeline=pipeline, to_version=int(number)):
                async with work.transaction(write=False) as tx:
                    version = await tx.port(Versions).get(pipeline, number)
                    logged = None if version else await tx.port(NamedVersions).get(pipeline, number)
                    if logged:
                        path, packing = await path_of(logged, tx), tx.port(Packing)
                if logged:
                    return await packing.ready(logged, path)
                if version is None:
                    raise RejectedError("version_not_found", pipeline=pipeline, version=number)
                await self.bundles.verify(version.bundle_uri, version.bundle_digest)
                return None
            case other:
                raise MalformedError("not_inspectable", type=other.subject)

    async def _decide(self, inspection: Inspection, found: Found, tx: Transaction) -> None:
        if not await tx.port(Inspections).close(inspection.key, DECIDED):
            return
        models, versions, history = tx.port(Models), tx.port(Versions), tx.port(AliasHistory)
        facts: list[Message] = []
        match inspection.message:
            case ImportModelVersion() as order if isinstance(found, Arrival):
                facts = await import_version(order, found, models, versions, at=self.clock())
            case TrainingRunSucceeded() as run if isinstance(found, Evidence):
                facts = await decisions.register_version(run, found, models, versions, history, at=self.clock())
            case RollBackModel() as command if isinstance(found, Packed):
                named, named_versions = tx.port(NamedModels), tx.port(NamedVersions)
                facts = await champions.go_back(command, found, named, named_versions, history, at=self.clock())
            case RollBackModel() as command:
                facts = await decisions.roll_back(command, models, versions, history, at=self.clock())
        for fact in facts:
            tx.say(fact, cause=inspection.cause)

    async def _refuse(self, inspection: Inspection, error: RejectedError, work: Work) -> None:
        async with work.transaction() as tx:
            if not await tx.port(Inspections).close(inspection.key, str(error)):
                return
            match inspection.message:
                case TrainingRunSucceeded() as run:
                    tx.say(decisions.refuse_run(run, error), cause=inspection.cause)
                case RollBackModel() | ImportModelVersion() as command:
                    refusal = decisions.refuse_command(command, inspection.cause.message_id, error)
                    tx.say(refusal, cause=inspection.cause)
