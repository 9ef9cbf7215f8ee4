"""Whatever MLflow's clients do to aliases and stages in between: the same holds, and no gate is got round."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from contracts.message import Message
from contracts.registered_models import ModelAliasMoved
from services.chassis.errors import RejectedError
from services.registry.domain import Alias
from services.registry.inspection import Inspector
from services.registry.models import moves
from services.registry.models.domain import Stage
from services.registry.models.ports import NamedAliases, NamedModels, NamedVersions
from tests.contracts.examples import PIPELINE
from tests.fakes.registry.examples import InMemoryRegistry
from tests.fakes.registry.named import InMemoryNamedAliases, InMemoryNamedModels, InMemoryNamedVersions
from tests.fakes.work import InMemoryWork
from tests.unit.registry.test_properties import WHOM, RegistryLife

CLIENT = "ada (mlflow)"
ALIASES = st.sampled_from([*(alias.value for alias in Alias), "mine"])


class LifeWithClients(RegistryLife):
    """Adds what MLflow's clients may ask for."""

    @rule(alias=ALIASES, whom=WHOM)
    def point(self, alias: str, whom: str | int) -> None:
        number = self.number(whom) or 1
        if self._ask(lambda work: moves.point(PIPELINE, alias, number, work, by=CLIENT)):
            assert alias == "mine" or getattr(self.seen, alias) == number

    @rule(alias=ALIASES)
    def remove(self, alias: str) -> None:
        async def ask(work: InMemoryWork) -> None:
            async with work.transaction() as tx:
                await moves.remove(PIPELINE, alias, tx, by=CLIENT)

        champion = self.seen.champion
        self._ask(ask)
        assert self.seen.champion == champion

    @rule(whom=WHOM, stage=st.sampled_from(Stage), archive_others=st.booleans())
    def give_stage(self, whom: str | int, stage: Stage, archive_others: bool) -> None:
        number = self.number(whom) or 1
        said = {"by": CLIENT, "archive_others": archive_others}
        self._ask(lambda work: moves.give_stage(PIPELINE, number, stage, work, **said))

    def ports_of(self, registry: InMemoryRegistry) -> dict[type, object]:
        if NamedAliases not in registry.ports:
            aliases = InMemoryNamedAliases(registry.history)
            registry.ports |= {
                NamedModels: InMemoryNamedModels(registry.models),
                NamedVersions: InMemoryNamedVersions(registry.versions, aliases),
                NamedAliases: aliases,
            }
        return registry.ports

    def state_of(self, registry: InMemoryRegistry) -> tuple[object, ...]:
        ports = self.ports_of(registry)
        pointed, archived = ports[NamedAliases].pointed, ports[NamedVersions].archived  # type: ignore[attr-defined]
        return *super().state_of(registry), pointed, archived

    def _ask(self, call: Callable[[InMemoryWork], Awaitable[None]]) -> bool:
        """Ask while bundles are inspected beside it; tells whether it was done."""
        work = InMemoryWork(self.ports_of(self.registry))
        inspector = Inspector(self.registry.bundles, max_attempts=3, clock=lambda: self.registry.now)

        async def wait() -> None:
            asked = asyncio.ensure_future(call(work))
            while not asked.done():
                await asyncio.sleep(0)
                await inspector.step(work)  # type: ignore[arg-type]  # the chassis' own needs a database
            await asked

        with patch.multiple(moves, utc_now=lambda: self.registry.now, LOOK_EVERY_S=0):
            try:
                asyncio.run(wait())
            except RejectedError:
                assert work.said == []
                return False
        self._take(work.said)
        return True

    def _take(self, said: list[Message]) -> None:
        for fact in said:
            if isinstance(fact, ModelAliasMoved) and fact.alias in set(Alias):
                assert getattr(self.seen, fact.alias) == fact.previous_version
                self.seen = replace(self.seen, **{fact.alias: fact.version})
        super()._take(said)


TestLifeWithClients = LifeWithClients.TestCase
TestLifeWithClients.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
