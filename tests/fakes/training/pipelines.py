"""Pipelines in memory."""

from services.training.domain import Dataset, Pipeline


class InMemoryPipelines:
    def __init__(self, *pipelines: Pipeline) -> None:
        self._current = {pipeline.name: pipeline for pipeline in pipelines}
        self._revisions = {(pipeline.name, pipeline.revision): pipeline for pipeline in pipelines}
        self._datasets: dict[str, dict[int, Dataset]] = {}

    async def get(self, name: str) -> Pipeline | None:
        return self._current.get(name)

    async def claim(self, name: str) -> Pipeline | None:
        return await self.get(name)

    async def all(self) -> list[Pipeline]:
        return [self._current[name] for name in sorted(self._current)]

    async def save(self, pipeline: Pipeline) -> None:
        self._current[pipeline.name] = pipeline
        self._revisions.setdefault((pipeline.name, pipeline.revision), pipeline)

    async def revisions(self, name: str) -> list[Pipeline]:
        kept = sorted((revision, kept) for (owner, revision), kept in self._revisions.items() if owner == name)
        return [pipeline for _, pipeline in reversed(kept)]

    async def add_dataset(self, pipeline: str, dataset: Dataset) -> None:
        self._datasets.setdefault(pipeline, {}).setdefault(dataset.ref.version, dataset)

    async def dataset(self, pipeline: str, version: int | None = None) -> Dataset | None:
        versions = self._datasets.get(pipeline, {})
        return versions.get(version or max(versions, default=0))

    async def new_rows(self, pipeline: str, after: int) -> int:
        versions = self._datasets.get(pipeline, {})
        return sum(dataset.new_rows for version, dataset in versions.items() if version > after)
