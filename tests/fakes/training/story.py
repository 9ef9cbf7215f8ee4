"""Training's memory and handlers together, for stories told in messages."""

from collections.abc import Mapping
from copy import copy
from datetime import timedelta
from itertools import count
from typing import Any

from contracts.message import Message
from services.chassis.subscriptions import Cause
from services.training import handlers
from services.training.domain import Pipeline, specify
from services.training.ports import Causes, Pipelines, Runs
from services.training.run import Run
from tests.fakes.training import examples
from tests.fakes.training.causes import InMemoryCauses
from tests.fakes.training.pipelines import InMemoryPipelines
from tests.fakes.training.runs import InMemoryRuns


def _copied(adapter: Any) -> Any:
    """Copy what is in memory; the values themselves are frozen."""
    twin = copy(adapter)
    for name, kept in vars(adapter).items():
        setattr(twin, name, {key: copy(value) if isinstance(value, dict) else value for key, value in kept.items()})
    return twin


class Story:
    """Messages are a minute apart and each has an id of its own, unless a test brings the envelope."""

    def __init__(self, *pipelines: Pipeline) -> None:
        self.pipelines = InMemoryPipelines(*pipelines)
        self.runs = InMemoryRuns()
        self.causes = InMemoryCauses()
        self._numbers = count(1000)
        self.ports = {Pipelines: self.pipelines, Runs: self.runs, Causes: self.causes}

    async def hear(self, message: Message, envelope: Cause | None = None) -> list[Message]:
        number = next(self._numbers)
        envelope = envelope or examples.message(number, at=examples.NOON + timedelta(minutes=number))
        return await self._handle(message, envelope, self.ports)

    async def die_hearing(self, message: Message, envelope: Cause) -> None:
        """Handle a message in a transaction that never commits."""
        await self._handle(message, envelope, {port: _copied(adapter) for port, adapter in self.ports.items()})

    async def _handle(self, message: Message, envelope: Cause, adapters: Mapping[type, Any]) -> list[Message]:
        (subscription,) = (line for line in handlers.SUBSCRIPTIONS if line.message is type(message))
        ports = {name: envelope if port is Cause else adapters[port] for name, port in subscription.ports.items()}
        return await subscription.handler(message, **ports)

    async def ingest(self, version: int) -> None:
        """Have a dataset version there without anybody having heard of it."""
        await self.pipelines.add_dataset(examples.NAME, examples.dataset(version))

    async def succeeded(self, version: int) -> Run:
        """Have a run there that has learnt from a dataset version."""
        pipeline = await self.pipelines.get(examples.NAME)
        assert pipeline is not None
        run = examples.run(version, ready_at=examples.NOON)
        spec = specify(run, pipeline, examples.dataset(version), f"/store/runs/{run.run_id}")
        done = run.pin(spec).run.submitted(examples.NOON).run.succeed(examples.result(), examples.NOON).run
        await self.runs.save(done)
        return done
