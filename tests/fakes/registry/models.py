"""The models in memory."""

from dataclasses import replace

from services.registry.domain import Model


class InMemoryModels:
    """Models in a dictionary; a test is alone, so holding one is finding it."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}

    async def put(self, model: Model) -> None:
        known = self._models.get(model.pipeline)
        self._models[model.pipeline] = replace(model, last_number=known.last_number if known else 0)

    async def all(self) -> list[Model]:
        return [self._models[name] for name in sorted(self._models)]

    async def get(self, pipeline: str) -> Model | None:
        return self._models.get(pipeline)

    async def hold(self, pipeline: str) -> Model | None:
        return self._models.get(pipeline)

    async def next_number(self, pipeline: str, *, at_least: int = 1) -> int:
        model = self._models[pipeline]
        number = max(model.last_number + 1, at_least)
        self._models[pipeline] = replace(model, last_number=number)
        return number
