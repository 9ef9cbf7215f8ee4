"""How long the first request to a sleeping model waits, beside the start of a bare server with the same model.

::

    python -m tests.benchmarks.serving.cold_start [--rounds 3] [--json]
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx
import numpy as np
import tritonclient.grpc as triton
from rich.console import Console
from rich.table import Table

from contracts.rollout import Rollout, Scaling
from tests.benchmarks.serving.flights import Flights, prepare
from tests.benchmarks.serving.peers import LIMIT, PEERS
from tests.benchmarks.serving.questions import open_inference
from tests.fixtures.serving_stack import ServingStack, serving_stack
from tests.fixtures.waiting import eventually

HOST = "127.0.0.1"
ASLEEP = Scaling(min_replicas=0, max_replicas=1, idle=timedelta(seconds=1))
PATIENCE_S = 120
NUMPY: Mapping[str, type] = {"INT64": np.int64, "FP64": np.float64}


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(stderr=True)
    with TemporaryDirectory(prefix="everloop-cold-", ignore_cleanup_errors=True) as directory:
        console.print("training the flight model on two months")
        flights = prepare(Path(directory) / "model")
        seen: dict[str, list[float]] = {}
        with serving_stack(Path(directory)) as stack:
            asyncio.run(_deploy(stack, flights))
            for number in range(1, options.rounds + 1):
                for name, wait_s in _round(stack, flights, Path(directory) / "bare"):
                    console.print(f"round {number} of {options.rounds}: {name} {wait_s:.2f} s")
                    seen.setdefault(name, []).append(wait_s)
    limit = median(seen[LIMIT])
    told = {name: {"seconds": median(waits), "ratio_to_limit": median(waits) / limit} for name, waits in seen.items()}
    if options.json:
        sys.stdout.write(json.dumps({"rounds": options.rounds, "first_answer": told}) + "\n")
        return 0
    table = Table("First answer", "Seconds", "Ratio to the limit")
    for name, one in told.items():
        table.add_row(name, f"{one['seconds']:.2f}", f"{one['ratio_to_limit']:.2f}")
    Console().print(table)
    return 0


async def _deploy(stack: ServingStack, flights: Flights) -> None:
    definition = flights.definition.model_copy(update={"rollout": Rollout(scaling=ASLEEP)})
    await stack.register(definition)
    await stack.promote(definition.name, 1, (flights.bundle_uri, flights.bundle_digest))
    await eventually(lambda: _is_completed(stack), within_s=PATIENCE_S, every_s=0.2)


def _round(stack: ServingStack, flights: Flights, home: Path) -> list[tuple[str, float]]:
    began = perf_counter()
    with PEERS[0].running(flights, home):
        seen = [(LIMIT, perf_counter() - began)]
    for name, ask in (("Everloop asleep, HTTP", _ask_http), ("Everloop asleep, gRPC", _ask_grpc)):
        seen.append((name, asyncio.run(_first_answer(stack, flights, ask))))
    return seen


async def _first_answer(stack: ServingStack, flights: Flights, ask: Callable[[ServingStack, Flights], None]) -> float:
    await eventually(lambda: _sleeps(stack, flights), within_s=PATIENCE_S, every_s=0.2)
    began = perf_counter()
    ask(stack, flights)
    return perf_counter() - began


def _ask_http(stack: ServingStack, flights: Flights) -> None:
    row = flights.rows.slice(0, 1).to_pydict()
    url = f"http://{HOST}:{stack.port}/v2/models/{flights.definition.name}/infer"
    body = open_inference(row, flights.datatypes)
    httpx.post(url, json=body, timeout=PATIENCE_S, trust_env=False).raise_for_status()


def _ask_grpc(stack: ServingStack, flights: Flights) -> None:
    inputs = []
    for name, values in flights.rows.slice(0, 1).to_pydict().items():
        datatype = flights.datatypes[name]
        inputs.append(triton.InferInput(name, [1], datatype))
        inputs[-1].set_data_from_numpy(np.array(values, NUMPY.get(datatype, np.object_)))
    with triton.InferenceServerClient(f"{HOST}:{stack.head.grpc_port}") as client:
        client.infer(flights.definition.name, inputs, client_timeout=PATIENCE_S)


async def _is_completed(stack: ServingStack) -> bool:
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            rollouts = (await client.get(f"http://{HOST}:{stack.api_port}/v1/rollouts")).raise_for_status().json()
    except httpx.HTTPError:
        return False
    return any(one["state"] == "completed" for one in rollouts)


async def _sleeps(stack: ServingStack, flights: Flights) -> bool:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        applications = (await client.get(f"{stack.head.url}/api/serve/applications/")).json()["applications"]
    deployments = applications[f"model-{flights.definition.name}"]["deployments"]
    return deployments.get("replica", {}).get("replicas") == []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
