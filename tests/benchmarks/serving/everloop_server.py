"""Everloop's side: what people run, less what does not serve. Predictions are logged and requests traced as ever."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.rollout import Rollout, Scaling
from tests.benchmarks.serving.flights import Flights
from tests.fixtures.serving_stack import serving_stack


@contextmanager
def serving(flights: Flights, home: Path, scaling: Scaling | None = None) -> Iterator[int]:
    """Serve a model with one replica for the length of a block; gives the public port.

    Args:
        flights: The model.
        home: Where everything is kept.
        scaling: How many replicas there are, where they follow the load.
    """
    definition = flights.definition.model_copy(update={"rollout": Rollout(scaling=scaling)})

    with serving_stack(home) as stack:

        async def prepare() -> None:
            await stack.register(definition)
            await stack.promote(flights.definition.name, 1, (flights.bundle_uri, flights.bundle_digest))

        asyncio.run(prepare())
        yield stack.port
