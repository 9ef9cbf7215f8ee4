"""Contracts in memory."""

from collections.abc import Sequence

from contracts.pipeline import DatasetContract


class InMemoryPipelines:
    def __init__(self) -> None:
        self._contracts: dict[str, DatasetContract] = {}

    async def contract(self, pipeline: str) -> DatasetContract | None:
        return self._contracts.get(pipeline)

    async def put(self, pipeline: str, contract: DatasetContract) -> None:
        self._contracts[pipeline] = contract

    async def names(self) -> Sequence[str]:
        return sorted(self._contracts)
