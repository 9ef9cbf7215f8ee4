"""The notice board in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from services.serving.desired import DesiredState, ReplicaReport


class InMemoryBoard:
    def __init__(self) -> None:
        self._desired: dict[str, DesiredState] = {}
        self._reports: dict[tuple[str, str], ReplicaReport] = {}
        self._posted = asyncio.Event()

    async def post_desired(self, desired: DesiredState) -> None:
        self._desired[desired.pipeline] = desired
        self._posted.set()

    async def desired(self, pipeline: str) -> DesiredState | None:
        return self._desired.get(pipeline)

    async def all_desired(self) -> Sequence[DesiredState]:
        return [one for _, one in sorted(self._desired.items())]

    async def post_report(self, report: ReplicaReport) -> None:
        self._reports[report.pipeline, report.replica] = report
        self._posted.set()

    async def withdraw(self, report: ReplicaReport) -> None:
        self._reports.pop((report.pipeline, report.replica), None)

    def silence(self, pipeline: str, replica: str) -> None:
        """Let a replica die without a word."""
        self._reports.pop((pipeline, replica), None)

    async def reports(self, pipeline: str) -> Sequence[ReplicaReport]:
        return [one for (name, _), one in sorted(self._reports.items()) if name == pipeline]

    @asynccontextmanager
    async def changes(self) -> AsyncIterator["InMemoryBoard"]:
        yield self

    async def wait(self, at_most_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._posted.wait()
        self._posted.clear()
