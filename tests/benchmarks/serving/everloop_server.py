"""Everloop's side: what people run, less what does not serve. Predictions are logged and requests traced as ever."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.serving.flights import Flights
from tests.fixtures.serving_stack import serving_stack


@contextmanager
def serving(flights: Flights, home: Path) -> Iterator[int]:
    """Serve a model with one replica for the length of a block; gives the public port."""

    with serving_stack(home) as stack:

        async def prepare() -> None:
            await stack.register(flights.definition)
            await stack.promote(flights.definition.name, 1, (flights.bundle_uri, flights.bundle_digest))

        asyncio.run(prepare())
        yield stack.port
