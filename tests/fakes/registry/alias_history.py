"""The history of the aliases in memory."""

from services.registry.domain import AliasChange


class InMemoryAliasHistory:
    """Changes in a list per model."""

    def __init__(self) -> None:
        self._changes: dict[str, list[AliasChange]] = {}

    async def extend(self, pipeline: str, changes: tuple[AliasChange, ...]) -> None:
        self._changes.setdefault(pipeline, []).extend(changes)

    async def of_model(self, pipeline: str) -> list[AliasChange]:
        return list(self._changes.get(pipeline, ()))
