"""The limit: read JSON, call the model, write JSON.

::

    uvicorn --factory tests.benchmarks.serving.servers.bare:whole
    uvicorn --factory tests.benchmarks.serving.servers.bare:onnxruntime_alone
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.serving.servers.asked import load, load_session


def whole() -> Starlette:
    """Ask the whole model: features, preparation and model file."""
    model = load()
    return _app(lambda columns: model.predict(columns))


def onnxruntime_alone() -> Starlette:
    """Take a matrix as if some caller had prepared it, and ask the model file only."""
    session, name = load_session()

    def score(columns: dict[str, Any]) -> NDArray[np.float64]:
        (answer,) = session.run(["score"], {name: np.asarray(columns["matrix"], dtype=np.float32)})
        return np.asarray(answer, dtype=np.float64).reshape(-1)

    return _app(score)


def _app(score: Callable[[dict[str, Any]], NDArray[np.float64]]) -> Starlette:
    async def infer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        scores = score({tensor["name"]: tensor["data"] for tensor in asked["inputs"]}).tolist()
        answer = {"outputs": [{"name": "score", "datatype": "FP64", "shape": [len(scores)], "data": scores}]}
        return Response(orjson.dumps(answer), media_type="application/json")

    return Starlette(routes=[Route("/infer", infer, methods=["POST"])])
