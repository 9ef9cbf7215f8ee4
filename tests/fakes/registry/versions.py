"""The versions in memory."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.registry.domain import ModelVersion


class InMemoryVersions:
    """Versions in a dictionary."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, int], ModelVersion] = {}

    async def add(self, version: ModelVersion) -> None:
        assert (version.pipeline, version.number) not in self._versions
        self._versions[version.pipeline, version.number] = version

    async def put(self, version: ModelVersion) -> None:
        known = self._versions[version.pipeline, version.number]
        decided = replace(known, state=version.state, decision=version.decision, approvals=version.approvals)
        self._versions[version.pipeline, version.number] = decided

    async def get(self, pipeline: str, number: int) -> ModelVersion | None:
        return self._versions.get((pipeline, number))

    async def of_run(self, run_id: UUID) -> ModelVersion | None:
        return next((version for version in self._versions.values() if version.run_id == run_id), None)

    async def of_model(self, pipeline: str) -> list[ModelVersion]:
        found = [version for version in self._versions.values() if version.pipeline == pipeline]
        return sorted(found, key=lambda version: -version.number)

    async def overdue(self, at: datetime) -> list[ModelVersion]:
        return [version for version in self._versions.values() if version.overdue(at)]
