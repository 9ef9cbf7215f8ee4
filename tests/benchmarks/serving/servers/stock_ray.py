"""Ray Serve as its first page shows it: FastAPI ingress, default proxy. Runs until it is told to stop.

::

    python -m tests.benchmarks.serving.servers.stock_ray PORT
"""

import signal
import sys
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve

from tests.benchmarks.serving.servers.asked import load

api = FastAPI()


class Tensor(BaseModel):
    """One input."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class Asked(BaseModel):
    """A request."""

    inputs: list[Tensor]


@serve.deployment(max_ongoing_requests=100)
@serve.ingress(api)
class Flights:
    """The deployment."""

    def __init__(self) -> None:
        self._model = load()

    @api.post("/infer")
    async def infer(self, asked: Asked) -> dict[str, Any]:
        """Answer."""
        scores = self._model.predict({tensor.name: tensor.data for tensor in asked.inputs}).tolist()
        return {"outputs": [{"name": "score", "datatype": "FP64", "shape": [len(scores)], "data": scores}]}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Flights.bind(), blocking=False)  # type: ignore[attr-defined]  # made by the decorator
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()
