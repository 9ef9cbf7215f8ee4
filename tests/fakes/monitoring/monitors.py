"""Pipelines under watch in memory."""

from services.monitoring.domain import Monitor


class InMemoryMonitors:
    def __init__(self) -> None:
        self._monitors: dict[str, Monitor] = {}

    async def lock(self, pipeline: str) -> Monitor | None:
        return self._monitors.get(pipeline)

    async def get(self, pipeline: str) -> Monitor | None:
        return self._monitors.get(pipeline)

    async def save(self, monitor: Monitor) -> None:
        self._monitors[monitor.pipeline] = monitor
