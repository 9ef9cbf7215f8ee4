"""Models, versions and aliases as MLflow's clients see them, over the registry's ports in memory: pipelines' only."""

from services.registry.domain import Alias, Decision, replay
from services.registry.models.domain import HeldModel, VersionEntry
from tests.fakes.registry.alias_history import InMemoryAliasHistory
from tests.fakes.registry.models import InMemoryModels
from tests.fakes.registry.versions import InMemoryVersions


class InMemoryNamedModels:
    """Every model is a pipeline's."""

    def __init__(self, models: InMemoryModels) -> None:
        # A function, since a transaction that fails puts copies of what it finds here in the place of the ports.
        self._get = lambda pipeline: models.get(pipeline)

    async def hold(self, name: str) -> HeldModel | None:
        return HeldModel(name, name, is_pipeline=True, description=None) if await self._get(name) else None

    hold_key = hold


class InMemoryNamedAliases:
    """The registry's own as their history says, people's in a dictionary."""

    def __init__(self, history: InMemoryAliasHistory) -> None:
        self._history = lambda pipeline: history.of_model(pipeline)
        self.pointed: dict[tuple[str, str], int] = {}

    async def of_model(self, pipeline: str) -> dict[str, int]:
        own = replay(await self._history(pipeline))
        found = {alias.value: getattr(own, alias) for alias in Alias if getattr(own, alias)}
        return found | {alias: number for (of, alias), number in self.pointed.items() if of == pipeline}

    async def find(self, pipeline: str, alias: str) -> int | None:
        return (await self.of_model(pipeline)).get(alias)

    async def point(self, pipeline: str, alias: str, number: int | None, decision: Decision) -> None:
        self.pointed.pop((pipeline, alias), None)
        if number is not None:
            self.pointed[pipeline, alias] = number


class InMemoryNamedVersions:
    """Every version is a bundle."""

    def __init__(self, versions: InMemoryVersions, aliases: InMemoryNamedAliases) -> None:
        self._get = lambda pipeline, number: versions.get(pipeline, number)
        self._aliases = lambda pipeline: aliases.of_model(pipeline)
        self.archived: set[tuple[str, int]] = set()

    async def get(self, pipeline: str, number: int) -> VersionEntry | None:
        version = await self._get(pipeline, number)
        if version is None:
            return None
        pointing = await self._aliases(pipeline)
        return VersionEntry(
            pipeline=pipeline,
            name=pipeline,
            number=number,
            is_bundle=True,
            source=version.bundle_uri,
            location=version.bundle_uri,
            run_id=version.run_id.hex,
            run_link=None,
            model_id=None,
            description=None,
            created_at=version.registered_at,
            updated_at=version.registered_at,
            archived=(pipeline, number) in self.archived,
            state=version.state,
            reason=version.decision.reason if version.decision else None,
            aliases=tuple(alias for alias in pointing if pointing[alias] == number),
        )

    async def archive(self, pipeline: str, number: int, archived: bool, *, at: object) -> None:
        self.archived.discard((pipeline, number))
        if archived:
            self.archived.add((pipeline, number))
