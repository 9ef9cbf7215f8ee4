"""A BentoML service."""

from typing import Any

import bentoml

from tests.benchmarks.serving.servers.asked import load


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Flights:
    """The service."""

    def __init__(self) -> None:
        self._model = load()

    @bentoml.api
    def infer(self, columns: dict[str, list[Any]]) -> list[float]:
        """Answer."""
        return list(self._model.predict(columns).tolist())
