"""Causes that no message announces: schedules that fall due, and remembered causes whose wait is over."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.message import utc_now
from contracts.pipeline import TriggerKind
from contracts.training import Cause as RunCause
from services.chassis.subscriptions import Cause
from services.chassis.work import Transaction, Work
from services.training.causes import Hearing
from services.training.domain import HeardCause, Pipeline
from services.training.ports import Causes, Pipelines, Runs
from services.training.situations import fallen_due


@dataclass(frozen=True)
class Reminders:
    """Looks, without writing, whether anything is to be remembered; then has it decided."""

    clock: Callable[[], datetime] = utc_now

    async def step(self, work: Work) -> None:
        """Decide about every remembered cause and schedule whose time has come."""
        async with work.transaction(write=False) as tx:
            pipelines = await tx.port(Pipelines).all()
            waiting = await tx.port(Causes).waiting()
            ripe = [one.name for one in pipelines if one.name in waiting and await self._hearing(tx).ripe(one)]
            due = [pipeline.name for pipeline in pipelines if await self._fallen_due(pipeline, tx)]
        for name in ripe:
            async with work.transaction() as tx:
                await self._remember(name, tx)
        for name in due:
            async with work.transaction() as tx:
                await self._schedule(name, tx)

    async def _remember(self, name: str, tx: Transaction) -> None:
        pipeline = await tx.port(Pipelines).claim(name)
        if pipeline is None:
            return
        hearing = self._hearing(tx)
        for waiting in await hearing.waiting(pipeline):
            for message in await hearing.again(waiting, pipeline):
                tx.say(message, cause=waiting.origin)

    async def _schedule(self, name: str, tx: Transaction) -> None:
        pipeline = await tx.port(Pipelines).claim(name)
        if pipeline is None or (due := await self._fallen_due(pipeline, tx)) is None:
            return
        newest = await tx.port(Pipelines).dataset(name)
        now = self.clock()
        # Named after its turn: the same however often it is looked at.
        message_id = f"schedule-{name}-{due.isoformat()}"
        origin = Cause(message_id=message_id, correlation_id=message_id, said_at=due, received_at=now)
        cause = RunCause(
            kind=TriggerKind.SCHEDULE,
            message_id=message_id,
            as_of=newest.last_event if newest else None,
            reason=f"scheduled for {due.isoformat(timespec='seconds')}",
        )
        heard = HeardCause(pipeline=name, cause=cause, origin=origin, heard_at=now)
        for message in await self._hearing(tx).hear(heard, pipeline):
            tx.say(message, cause=origin)

    async def _fallen_due(self, pipeline: Pipeline, tx: Transaction) -> datetime | None:
        return await fallen_due(pipeline, tx.port(Runs), tx.port(Causes), self.clock())

    def _hearing(self, tx: Transaction) -> Hearing:
        return Hearing(tx.port(Pipelines), tx.port(Runs), tx.port(Causes), self.clock())
