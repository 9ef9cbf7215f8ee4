"""What keeps logged models."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.registry.logged_models.domain import LoggedModel, ModelRecord
from services.registry.tracking.domain import TagChange


class LoggedModels(Protocol):
    """The logged models, deleted ones included."""

    async def add(self, model: LoggedModel, *, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Keep a new model."""

    async def get(self, model_id: str) -> LoggedModel | None:
        """Find a model."""

    async def hold(self, model_id: str) -> LoggedModel | None:
        """Find a model that nobody else may change before this transaction ends."""

    async def put(self, model: LoggedModel) -> None:
        """Keep a model's status and stage."""

    async def add_params(self, model_id: str, params: Mapping[str, str]) -> dict[str, str]:
        """Add parameters that are not there yet. The model is held.

        Returns:
            Those that were there, with the values they keep.
        """

    async def tag(self, model_id: str, tags: Mapping[str, str | None]) -> tuple[TagChange, ...]:
        """Set tags, or remove them; tells what changed. The model is held."""

    async def records(self, model_ids: Sequence[str]) -> dict[str, ModelRecord]:
        """Read what is known about models."""
