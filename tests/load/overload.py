"""Ask with far more callers than one replica has room for, then with one; print what they saw and what it cost."""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.serving.flights import Flights, prepare
from tests.benchmarks.serving.questions import open_inference, requests
from tests.fixtures.serving_stack import ServingStack, serving_stack
from tests.fixtures.waiting import eventually
from tests.load.open_loop import PATIENCE_S, Connection, Reply

HOST = "127.0.0.1"
CALM_REQUESTS = 200
OVERLOADED = frozenset({429, 503})
FAULTS = ("other_statuses", "refused_without_retry_after", "calm_failed", "predictions_lost")
MIB = 2**20
NO_REPLY = Reply(0)
console = Console(stderr=True)


def main() -> int:
    """Run it."""
    options = _options()
    with TemporaryDirectory(prefix="everloop-overload-", ignore_cleanup_errors=True) as directory:
        console.print("training the flight model on two months")
        flights = prepare(Path(directory) / "model")
        with serving_stack(Path(directory)) as stack:
            told = asyncio.run(_told(stack, flights, options))
    if options.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        table = Table("What", "Seen")
        for name, value in told.items():
            table.add_row(name.replace("_", " "), str(value))
        Console().print(table)
    return 1 if any(told[fault] for fault in FAULTS) else 0


async def _told(stack: ServingStack, flights: Flights, options: argparse.Namespace) -> dict[str, Any]:
    name = flights.definition.name
    await stack.register(flights.definition)
    await stack.promote(name, 1, (flights.bundle_uri, flights.bundle_digest))
    base = f"http://{HOST}:{stack.port}/v2/models/{name}"
    await eventually(lambda: _answers(base), within_s=120, every_s=0.2)
    asked = requests(
        flights.rows,
        flights.datatypes,
        form=open_inference,
        path=f"/v2/models/{name}/infer",
        host=f"{HOST}:{stack.port}",
        size=options.rows,
    )
    before_ms, _ = await _calm(stack.port, asked)
    with _memory(stack) as memory:
        statuses, unadvised = await _flood(stack.port, asked, options.connections, options.seconds)
    console.print("calm again")
    after_ms, failed = await _calm(stack.port, asked)
    log = await _log(stack, name)
    overloaded = sum(count for status, count in statuses.items() if status in OVERLOADED)
    return {
        "connections": options.connections,
        "rows_per_request": options.rows,
        "answered_per_s": round(statuses[200] / options.seconds),
        "refused_with_429_or_503": overloaded,
        "refused_without_retry_after": unadvised,
        "other_statuses": {str(status): n for status, n in statuses.items() if status not in {200, *OVERLOADED}},
        "replica_mib_before": round(memory[0] / MIB),
        "replica_mib_most": round(max(memory) / MIB),
        "calm_ms_before": round(before_ms, 2),
        "calm_ms_after": round(after_ms, 2),
        "calm_failed": failed,
        "predictions_logged": log["predictions_logged"],
        "predictions_lost": log["predictions_lost"],
    }


async def _flood(port: int, asked: Sequence[bytes], connections: int, seconds: float) -> tuple[Counter[int], int]:
    statuses: Counter[int] = Counter()
    unadvised = 0
    until = perf_counter() + seconds

    async def caller(number: int) -> None:
        nonlocal unadvised
        connection: Connection | None = None
        while perf_counter() < until:
            if connection is None or not connection.open:
                connection = await _connection(port)
            reply = await connection.ask(asked[number % len(asked)]) if connection else NO_REPLY
            statuses[reply.status] += 1
            unadvised += reply.status in OVERLOADED and not reply.retry_after
        if connection is not None:
            connection.close()

    async with asyncio.TaskGroup() as tasks:
        for number in range(connections):
            tasks.create_task(caller(number))
    return statuses, unadvised


async def _connection(port: int) -> Connection | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await asyncio.get_running_loop().create_connection(Connection, HOST, port))[1]
    except OSError:
        return None


async def _calm(port: int, asked: Sequence[bytes]) -> tuple[float, int]:
    connection = (await asyncio.get_running_loop().create_connection(Connection, HOST, port))[1]
    latencies_ms, failed = [], 0
    for number in range(CALM_REQUESTS):
        began = perf_counter()
        failed += (await connection.ask(asked[number % len(asked)])).status != httpx.codes.OK
        latencies_ms.append(1000 * (perf_counter() - began))
    connection.close()
    return float(np.median(latencies_ms)), failed


@contextmanager
def _memory(stack: ServingStack) -> Iterator[list[int]]:
    """Watch the replica's resident memory; gives the growing list of bytes."""
    applications = httpx.get(f"{stack.head.url}/api/serve/applications/", trust_env=False).json()["applications"]
    found = [one for name, one in applications.items() if name.startswith("model-")]
    replica = psutil.Process(found[0]["deployments"]["replica"]["replicas"][0]["pid"])
    seen = [replica.memory_info().rss]
    over = Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(replica.memory_info().rss)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


async def _answers(base: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            return (await client.get(f"{base}/ready")).is_success
    except httpx.HTTPError:
        return False


async def _log(stack: ServingStack, name: str) -> dict[str, int]:
    """Read the counts of the prediction log once nothing waits any more."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:

        async def settled() -> dict[str, int] | None:
            url = f"http://{HOST}:{stack.api_port}/v1/deployments/{name}"
            (replica,) = (await client.get(url)).json()["replicas"]
            return replica if replica["predictions_waiting"] == 0 else None

        return await eventually(settled, within_s=60, every_s=0.2) or {}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=1500)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
