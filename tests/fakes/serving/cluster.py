"""A cluster that runs nothing."""

from collections.abc import Collection, Sequence

from services.chassis.errors import TransientError
from services.serving.domain import Deployment


class InMemoryCluster:
    def __init__(self) -> None:
        self.running: tuple[str, ...] = ()
        self.rolling: frozenset[str] = frozenset()
        self.failures: dict[str, str] = {}
        self.away = False
        self.open = True

    async def ensure(self, deployments: Sequence[Deployment], *, rolling: Collection[str] = ()) -> None:
        if self.away:
            raise TransientError("cluster_unavailable")
        self.running = tuple(one.pipeline for one in deployments)
        self.rolling = frozenset(rolling)

    async def failure(self, pipeline: str) -> str | None:
        return self.failures.get(pipeline)

    async def reaches(self, pipeline: str, version: int) -> bool:
        return self.open and not self.away

    def url(self, pipeline: str) -> str:
        return f"http://serve/v2/models/{pipeline}"
