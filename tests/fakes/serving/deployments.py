"""Deployments in memory."""

from collections.abc import Sequence

from services.serving.domain import Deployment


class InMemoryDeployments:
    def __init__(self) -> None:
        self._kept: dict[str, Deployment] = {}

    async def get(self, pipeline: str) -> Deployment | None:
        return self._kept.get(pipeline)

    async def hold(self, pipeline: str) -> Deployment | None:
        return self._kept.get(pipeline)

    async def all(self) -> Sequence[Deployment]:
        return [one for _, one in sorted(self._kept.items())]

    async def save(self, deployment: Deployment) -> None:
        self._kept[deployment.pipeline] = deployment

    async def remove(self, pipeline: str) -> None:
        self._kept.pop(pipeline, None)
