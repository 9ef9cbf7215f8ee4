"""Promote and roll back, again and again, under load; print what callers saw."""

import argparse
import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import orjson
import psutil
from rich.console import Console
from rich.table import Table

from contracts.pipeline import PipelineDefinition, Rollout
from tests.fixtures.bundles import DEFINITION, STEP, Bundles
from tests.fixtures.serving_stack import ServingStack, serving_stack
from tests.fixtures.waiting import eventually
from tests.load.open_loop import OpenLoop

HOST = "127.0.0.1"
RETRIES, PAUSE_S = 2, 1.0
"""The documented retry: after no answer, 502, 503 or 504, twice, a second apart."""
OVER = {"completed", "rolled_back", "superseded"}
PATH = f"/v2/models/{DEFINITION.name}"
console = Console(stderr=True)


def main() -> int:
    """Run it."""
    options = _options()
    with TemporaryDirectory(prefix="everloop-load-", ignore_cleanup_errors=True) as directory:
        bundles = Bundles(Path(directory) / "bundles")
        # The first two alternate as promotion and way back, so that half of all changes are rollbacks.
        written = [bundles.write(number) for number in (1, 2)]
        with serving_stack(Path(directory)) as stack:
            told = asyncio.run(_told(stack, written, options))
    if options.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        _show(told)
    # While a killed replica is replaced, the next promotion may come before the last one is complete.
    overtaken = told["completed"] != told["promotions"] and not told["kills"]
    return 1 if told["failed"] or told["mixed"] or overtaken else 0


async def _told(stack: ServingStack, bundles: list[tuple[str, str]], options: argparse.Namespace) -> dict[str, Any]:
    definition = _definition(options.replicas)
    await stack.register(definition)
    await stack.promote(definition.name, 1, bundles[0])
    await eventually(lambda: _answers(stack), within_s=120, every_s=0.2)
    retries = RETRIES if options.kill_every else 0
    loop = OpenLoop(HOST, stack.port, _request(stack.port), rate_per_s=options.rate, retries=retries, pause_s=PAUSE_S)
    flips: list[float] = []
    kills: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(_promote(stack, bundles, options, flips, loop))]
        if options.kill_every:
            others.append(tasks.create_task(_kill(stack, options.kill_every, kills, loop)))
        await loop.run(options.seconds)
        for other in others:
            other.cancel()
        completed = await eventually(lambda: _completed(stack), within_s=120, every_s=0.2) or 0
    return _summary(loop, flips, kills, completed - 1, options)


async def _promote(
    stack: ServingStack, bundles: list[tuple[str, str]], options: argparse.Namespace, flips: list[float], loop: OpenLoop
) -> None:
    for number in range(1, options.promotions + 1):
        due_at = number * options.seconds / (options.promotions + 1)
        await asyncio.sleep(max(0.0, due_at - (perf_counter() - loop.began)))
        flips.append(perf_counter() - loop.began)
        await stack.promote(DEFINITION.name, 1 + number % 2, bundles[number % 2])
        console.print(f"{flips[-1]:6.1f} s: version {1 + number % 2} promoted, {len(loop.asked)} answered")


async def _kill(stack: ServingStack, every_s: float, kills: list[float], loop: OpenLoop) -> None:
    while True:
        await asyncio.sleep(every_s)
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            running = (await client.get(f"{stack.head.url}/api/serve/applications/")).json()["applications"]
        replicas = running[f"model-{DEFINITION.name}"]["deployments"]["replica"]["replicas"]
        live = [int(one["pid"]) for one in replicas if one["state"] == "RUNNING"]
        if live:
            kills.append(perf_counter() - loop.began)
            console.print(f"{kills[-1]:6.1f} s: killed one of {len(live)} replicas")
            with suppress(psutil.NoSuchProcess):
                psutil.Process(live[0]).kill()


async def _completed(stack: ServingStack) -> int | None:
    """Count the rollouts that completed, once none is under way."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        rollouts = (
            (await client.get(f"http://{HOST}:{stack.api_port}/v1/rollouts?limit=1000")).raise_for_status().json()
        )
    states = Counter(one["state"] for one in rollouts)
    return states["completed"] if states.keys() <= OVER else None


async def _answers(stack: ServingStack) -> bool:
    try:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            return (await client.get(f"http://{HOST}:{stack.port}{PATH}/ready")).is_success
    except httpx.HTTPError:
        return False


def _definition(replicas: int) -> PipelineDefinition:
    return DEFINITION.model_copy(update={"rollout": Rollout(timeout_s=60, replicas=replicas)})


def _request(port: int) -> Any:
    def write(number: int) -> bytes:
        tensors = [
            {"name": "x", "datatype": "FP64", "shape": [2], "data": [float(number % 100), 1.0]},
            {"name": "stops", "datatype": "INT64", "shape": [2], "data": [None, 1]},
            {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["UA", "DL"]},
        ]
        body = orjson.dumps({"id": str(number), "inputs": tensors})
        head = f"POST {PATH}/infer HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return write


def _summary(
    loop: OpenLoop, flips: list[float], kills: list[float], completed: int, options: argparse.Namespace
) -> dict[str, Any]:
    versions: Counter[str] = Counter()
    mixed = 0
    for asked in loop.asked:
        if asked.replies[-1].status == httpx.codes.OK:
            answer = orjson.loads(asked.replies[-1].body)
            version = answer["model_version"]
            versions[version] += 1
            mixed += any(int(score // STEP) != int(version) for score in answer["outputs"][0]["data"])
    latencies_ms = 1000 * np.array([asked.seconds for asked in loop.asked])
    quiet = 1000 * np.array(
        [asked.seconds for asked in loop.asked if all(abs(asked.due_at - at) > 2 for at in (*flips, *kills))]
    )
    statuses = Counter(asked.replies[-1].status for asked in loop.asked)
    worst_ms, worst_quiet_ms = float(latencies_ms.max()), float(quiet.max()) if quiet.size else None
    return {
        "requests": len(loop.asked),
        "rate_per_s": options.rate,
        "replicas": options.replicas,
        "promotions": len(flips),
        "completed": completed,
        "kills": len(kills),
        "failed": sum(count for status, count in statuses.items() if status != httpx.codes.OK),
        "retried": sum(len(asked.replies) > 1 for asked in loop.asked),
        "mixed": mixed,
        "answers_by_version": dict(sorted(versions.items())),
        "median_ms": round(float(np.median(latencies_ms)), 2),
        "p99_ms": round(float(np.quantile(latencies_ms, 0.99)), 2),
        "worst_ms": round(worst_ms, 2),
        "worst_quiet_ms": worst_quiet_ms and round(worst_quiet_ms, 2),
        "worst_added_ms": worst_quiet_ms and round(max(0.0, worst_ms - worst_quiet_ms), 2),
    }


def _show(told: dict[str, Any]) -> None:
    table = Table("What", "Seen")
    for name, value in told.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.promotions", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--promotions", type=int, default=50, help="half of them back to the version before")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=0, metavar="SECONDS", help="kill a replica so often")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
