"""Approvals that nobody gave in time: the versions that wait for them are refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.message import utc_now
from services.chassis.logs import Log
from services.chassis.work import Work
from services.registry import decisions
from services.registry.ports import AliasHistory, Models, Versions

log = Log(__name__)


@dataclass(frozen=True)
class Expirer:
    """Refuses what waited for too long."""

    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Refuse every version whose time is over, each in a transaction of its own."""
        async with work.transaction(write=False) as tx:
            overdue = await tx.port(Versions).overdue(self.clock())
        for version in overdue:
            async with work.transaction() as tx:
                models, versions, history = tx.port(Models), tx.port(Versions), tx.port(AliasHistory)
                # Somebody may have decided meanwhile, so it is asked again, with the model held.
                for fact in await decisions.expire(
                    version.pipeline, version.number, models, versions, history, at=self.clock()
                ):
                    log.info("approval expired", pipeline=version.pipeline, version=version.number)
                    tx.say(fact)
