"""Write to the registry through MLflow's protocol, many at once, and see that nothing was lost or given twice.

::

    python -m tests.load.registry_writers                            # 60 seconds on SQLite
    python -m tests.load.registry_writers --database postgresql
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from tests.fixtures.postgres import new_database, running_postgres
from tests.fixtures.registry_process import registry_process

MODEL = "written by many"
PAGE = 20_000


@dataclass
class Story:
    """What the writers were told is kept."""

    run: str = ""
    points: dict[int, float] = field(default_factory=dict)
    """Values of the shared metric, by step."""
    tags: dict[str, str] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    aliases: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Say how it went."""
        p50, p99 = np.quantile(self.seconds, (0.5, 0.99)) * 1000
        return {
            "writes": len(self.seconds),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "slowest_ms": max(self.seconds) * 1000,
            "versions": len(self.numbers),
            "refused": len(self.refused),
        }


class Api:
    """Asks, and notes how long it took and whether it was refused."""

    def __init__(self, client: httpx.AsyncClient, story: Story) -> None:
        self._client = client
        self._story = story

    async def tell(self, method: str, path: str, **given: Any) -> Any:
        """Write something; None where it was refused."""
        began = perf_counter()
        answer = await self._client.request(method, path, json=given)
        self._story.seconds.append(perf_counter() - began)
        if answer.is_success:
            return answer.json()
        self._story.refused.append(f"{path}: {answer.status_code} {answer.text}")
        return None

    async def ask(self, path: str, **given: Any) -> Any:
        """Read something."""
        return (await self._client.get(path, params=given)).raise_for_status().json()


async def write(url: str, *, writers: int, seconds: float = inf, turns: int | None = None) -> Story:
    """Let writers write to one run and one model, for some seconds or some turns each."""
    story = Story()
    async with _client(url, writers) as client:
        api = Api(client, story)
        run = await api.tell("POST", "runs/create", experiment_id="0", run_name="shared", start_time=1000)
        story.run = run["run"]["info"]["run_id"]
        await api.tell("POST", "registered-models/create", name=MODEL)
        until = perf_counter() + seconds
        async with asyncio.TaskGroup() as tasks:
            for number in range(writers):
                steps = count(number, writers) if turns is None else range(number, number + writers * turns, writers)
                tasks.create_task(_writer(api, story, number, steps, until))
    return story


async def lost(url: str, story: Story) -> list[str]:
    """Name everything that was acknowledged and is not there, or is there and was not."""
    async with _client(url, 1) as client:
        api = Api(client, story)
        run = (await api.ask("runs/get", run_id=story.run))["run"]["data"]
        latest = {metric["key"]: metric for metric in run["metrics"]}
        tags = {tag["key"]: tag["value"] for tag in run["tags"] if tag["key"] in story.tags}
        points = {
            point["step"]: point["value"]
            for point in await _paged(api, "metrics", "metrics/get-history", run_id=story.run, metric_key="shared")
        }
        versions = await _paged(api, "model_versions", "model-versions/search", filter=f"name = '{MODEL}'", page=1000)
        model = (await api.ask("registered-models/get", name=MODEL))["registered_model"]
    there = [int(version["version"]) for version in versions]
    checks = {
        "points of the shared metric": points == story.points,
        "its latest value": latest["shared"]["step"] == max(story.points),
        "tags": tags == story.tags,
        "a number given twice": len(set(story.numbers)) == len(story.numbers),
        "versions": sorted(there) == sorted(set(story.numbers) - story.deleted),
        "aliases": {each["alias"]: int(each["version"]) for each in model.get("aliases", [])} == story.aliases,
    }
    return [what for what, holds in checks.items() if not holds]


async def _writer(api: Api, story: Story, number: int, steps: Iterable[int], until: float) -> None:
    for step in steps:
        for act in (_log, _log_batch, _tag, _register):
            if perf_counter() > until:
                return
            await act(api, story, number, step)


async def _log(api: Api, story: Story, number: int, step: int) -> None:
    point = {"key": "shared", "value": step / 8, "timestamp": 1000 + step, "step": 2 * step}
    if await api.tell("POST", "runs/log-metric", run_id=story.run, **point) is not None:
        story.points[2 * step] = step / 8


async def _log_batch(api: Api, story: Story, number: int, step: int) -> None:
    shared = {"key": "shared", "value": step / 4, "timestamp": 1000 + step, "step": 2 * step + 1}
    own = [
        {"key": f"own {number}", "value": place, "timestamp": 1000, "step": step * 10 + place} for place in range(10)
    ]
    if await api.tell("POST", "runs/log-batch", run_id=story.run, metrics=[shared, *own]) is not None:
        story.points[2 * step + 1] = step / 4


async def _tag(api: Api, story: Story, number: int, step: int) -> None:
    tag = {"key": f"writer {number}", "value": str(step)}
    if await api.tell("POST", "runs/set-tag", run_id=story.run, **tag) is not None:
        story.tags[tag["key"]] = tag["value"]


async def _register(api: Api, story: Story, number: int, step: int) -> None:
    made = await api.tell("POST", "model-versions/create", name=MODEL, source="s3://bucket/model", run_id=story.run)
    if made is None:
        return
    version = made["model_version"]["version"]
    story.numbers.append(int(version))
    if step % 3 == 0:
        if await api.tell("DELETE", "model-versions/delete", name=MODEL, version=version) is not None:
            story.deleted.add(int(version))
    elif (
        await api.tell("POST", "registered-models/alias", name=MODEL, alias=f"of-{number}", version=version) is not None
    ):
        story.aliases[f"of-{number}"] = int(version)


async def _paged(api: Api, name: str, path: str, *, page: int = PAGE, **given: Any) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        answer = await api.ask(path, **given, **more, max_results=page)
        found += answer.get(name, [])
        token = answer.get("next_page_token", "")
        if not token:
            return found


def _client(url: str, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections)
    return httpx.AsyncClient(base_url=f"{url}/api/2.0/mlflow/", limits=limits, timeout=60, trust_env=False)


def main() -> int:
    """Run it, and print what writers saw."""
    options = _options()
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="everloop-load-")))
        url = None
        if options.database == "postgresql":
            url = stack.enter_context(new_database(stack.enter_context(running_postgres())))
        registry = stack.enter_context(registry_process(home, database_url=url))
        story = asyncio.run(write(registry.url, writers=options.writers, seconds=options.seconds))
        missing = asyncio.run(lost(registry.url, story))
        locked = (home / "registry.log").read_text(errors="replace").count("database is locked")
    told = {"database": options.database, **story.summary(), "lost": missing, "database_is_locked": locked}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if missing or locked or story.refused else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.registry_writers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--writers", type=int, default=8, help="how many at once")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
