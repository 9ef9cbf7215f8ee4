"""Windows in memory."""

from collections.abc import Sequence

from services.monitoring.domain import Instant, Window
from tests.fakes.monitoring.monitors import InMemoryMonitors
from tests.fakes.monitoring.versions import InMemoryVersions


class InMemoryWindows:
    def __init__(self, monitors: InMemoryMonitors, versions: InMemoryVersions) -> None:
        self._monitors = monitors
        self._versions = versions
        self._windows: dict[tuple[int, Instant], Window] = {}

    async def get(self, version_key: int, starts: Sequence[Instant]) -> dict[Instant, Window]:
        return {start: self._windows[version_key, start] for start in starts if (version_key, start) in self._windows}

    async def save(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self._windows[window.version_key, window.start] = window

    async def due(self) -> list[tuple[str, int, Window]]:
        found = []
        for window in sorted(self._windows.values(), key=lambda window: (window.end, window.version_key)):
            version = self._versions.by_key(window.version_key)
            monitor = await self._monitors.get(version.pipeline)
            waits_in_vain = monitor and monitor.label_watermark is None and window.drift_rows == window.predictions
            if monitor and window.is_closed(monitor) and not window.is_settled and not waits_in_vain:
                found.append((version.pipeline, version.number, window))
        return found

    async def between(self, version_key: int, start: Instant, end: Instant | None = None) -> list[Window]:
        found = [window for window in await self.of(version_key) if window.start >= start]
        return [window for window in found if end is None or window.start < end]

    async def before(self, version_key: int, start: Instant) -> Window | None:
        return next((window for window in reversed(await self.of(version_key)) if window.start < start), None)

    async def of(self, version_key: int) -> list[Window]:
        return [window for (key, _), window in sorted(self._windows.items()) if key == version_key]
