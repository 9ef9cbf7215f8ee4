"""The logged models in memory."""

from collections.abc import Mapping, Sequence

from services.registry.logged_models.domain import LoggedModel, MeasuredMetric, ModelRecord
from services.registry.tracking.domain import TagChange


class InMemoryLoggedModels:
    """Logged models in dictionaries."""

    def __init__(self) -> None:
        self.measured: dict[str, list[MeasuredMetric]] = {}
        self._models: dict[str, LoggedModel] = {}
        self._params: dict[str, dict[str, str]] = {}
        self._tags: dict[str, dict[str, str]] = {}

    async def add(self, model: LoggedModel, *, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        assert model.id not in self._models
        self._models[model.id] = model
        self._params[model.id] = dict(params)
        self._tags[model.id] = dict(tags)

    async def get(self, model_id: str) -> LoggedModel | None:
        return self._models.get(model_id)

    async def hold(self, model_id: str) -> LoggedModel | None:
        return self._models.get(model_id)

    async def put(self, model: LoggedModel) -> None:
        self._models[model.id] = model

    async def add_params(self, model_id: str, params: Mapping[str, str]) -> dict[str, str]:
        known = self._params[model_id]
        kept = {key: known[key] for key in params if key in known}
        self._params[model_id] = {**params, **known}
        return kept

    async def tag(self, model_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        known = self._tags[model_id]
        changes = [TagChange(key, value, known.get(key)) for key, value in tags.items() if value != known.get(key)]
        for change in changes:
            known.pop(change.key, None)
            if change.value is not None:
                known[change.key] = change.value
        return tuple(changes)

    async def records(self, model_ids: Sequence[str]) -> dict[str, ModelRecord]:
        return {
            model_id: ModelRecord(
                dict(sorted(self._params[model_id].items())),
                dict(sorted(self._tags[model_id].items())),
                tuple(self.measured.get(model_id, ())),
            )
            for model_id in model_ids
        }
