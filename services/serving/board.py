"""The notice board in two buckets of the broker: what is desired stays, what replicas report must be renewed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from pydantic import ValidationError

from contracts.message import utc_now
from services.chassis.buckets import Bucket, BucketDefinition
from services.chassis.bus import Bus
from services.chassis.logs import Log
from services.serving.desired import DesiredState, ReplicaReport

DESIRED = BucketDefinition("everloop_serving_desired")
REPORTS = BucketDefinition("everloop_serving_replicas", max_age=timedelta(seconds=60))
LONGEST_SILENCE = timedelta(seconds=6)
"""A replica that has not reported for so long is taken for dead."""

log = Log(__name__)


class BusBoard:
    """The board on the bus."""

    def __init__(self, bus: Bus, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._desired = Bucket(bus, DESIRED)
        self._reports = Bucket(bus, REPORTS)
        self._clock = clock

    async def post_desired(self, desired: DesiredState) -> None:
        """Replace what is desired of one model's replicas."""
        await self._desired.put(desired.pipeline, desired.model_dump_json().encode())

    async def desired(self, pipeline: str) -> DesiredState | None:
        """Read what is desired; None before it was ever posted."""
        written = await self._desired.get(pipeline)
        return DesiredState.model_validate_json(written, extra="ignore") if written else None

    async def all_desired(self) -> Sequence[DesiredState]:
        """Read what is desired of every model."""
        written = await self._desired.items()
        return [DesiredState.model_validate_json(one, extra="ignore") for _, one in sorted(written.items())]

    async def post_report(self, report: ReplicaReport) -> None:
        """Replace what one replica said of itself."""
        await self._reports.put(f"{report.pipeline}.{report.replica}", report.model_dump_json().encode())

    async def withdraw(self, report: ReplicaReport) -> None:
        """Take down a replica's report, because it ends."""
        await self._reports.delete(f"{report.pipeline}.{report.replica}")

    async def reports(self, pipeline: str) -> Sequence[ReplicaReport]:
        """Read the reports of one model's live replicas."""
        oldest = self._clock() - LONGEST_SILENCE
        found = []
        for key, written in sorted((await self._reports.items(pipeline)).items()):
            try:
                report = ReplicaReport.model_validate_json(written, extra="ignore")
            except ValidationError:
                log.warning("report of a replica is unreadable", key=key)
                continue
            if report.at >= oldest:
                found.append(report)
        return found

    @asynccontextmanager
    async def changes(self) -> AsyncIterator["Hints"]:
        """Hear when something is posted, until the block ends."""
        async with self._desired.changes() as desired, self._reports.changes() as reports:
            yield Hints(desired, reports)


class Hints:
    """Hints from both buckets; many at once count as one."""

    def __init__(self, *queues: asyncio.Queue[str]) -> None:
        self._queues = queues

    async def wait(self, at_most_s: float) -> None:
        """Wait for a hint, at most so long."""
        heard = [asyncio.ensure_future(queue.get()) for queue in self._queues]
        try:
            await asyncio.wait(heard, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in heard:
                one.cancel()
        for queue in self._queues:
            with suppress(asyncio.QueueEmpty):
                while True:
                    queue.get_nowait()
