"""Dataset versions in memory."""

from collections.abc import Sequence

from services.ingestion.domain import DatasetVersion


class InMemoryVersions:
    def __init__(self) -> None:
        self._versions: dict[tuple[str, int], DatasetVersion] = {}

    async def add(self, version: DatasetVersion) -> None:
        assert (version.pipeline, version.version) not in self._versions
        self._versions[version.pipeline, version.version] = version

    async def get(self, pipeline: str, version: int) -> DatasetVersion | None:
        return self._versions.get((pipeline, version))

    async def all(self, pipeline: str) -> Sequence[DatasetVersion]:
        return sorted((v for v in self._versions.values() if v.pipeline == pipeline), key=lambda v: v.version)
