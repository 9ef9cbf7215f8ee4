"""Versions in memory."""

from dataclasses import replace
from datetime import datetime

from contracts.profile import Reference
from services.monitoring.counting import Baseline
from services.monitoring.domain import WatchedVersion


class InMemoryVersions:
    def __init__(self) -> None:
        self._versions: dict[tuple[str, int], WatchedVersion] = {}

    async def see(self, pipeline: str, number: int) -> WatchedVersion:
        fresh = WatchedVersion(len(self._versions) + 1, pipeline, number)
        return self._versions.setdefault((pipeline, number), fresh)

    async def all(self, pipeline: str) -> list[WatchedVersion]:
        return [version for (of, _), version in sorted(self._versions.items()) if of == pipeline]

    async def watch(self, version: WatchedVersion, reference: Reference, since: datetime) -> WatchedVersion:
        watched = replace(version, baseline=Baseline(reference), watched_since=since)
        self._versions[version.pipeline, version.number] = watched
        return watched

    def by_key(self, key: int) -> WatchedVersion:
        return next(version for version in self._versions.values() if version.key == key)
