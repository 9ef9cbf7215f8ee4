"""What a server knows before it is asked, told to it through the protocol."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx

from tests.benchmarks.registry.operations import API, Stage

AT_ONCE = 8
RUNS = 8
"""That are logged to."""
MODEL = "bench"


async def prepare(url: str, sizes: Iterable[int]) -> Stage:
    """Make experiments, runs and a model with one version that has an alias."""
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=f"{url}{API}", timeout=120, trust_env=False, limits=limits) as client:
        experiment = await _experiment(client, "bench")
        runs = [await _run(client, experiment, number) for number in range(RUNS)]
        searched = {size: await _filled(client, size) for size in sizes}
        source = f"mlflow-artifacts:/{experiment}/{runs[0]}/artifacts/model"
        await _tell(client, "registered-models/create", name=MODEL)
        await _tell(client, "model-versions/create", name=MODEL, source=source, run_id=runs[0])
        await _tell(client, "registered-models/alias", name=MODEL, alias="best", version="1")
    return Stage(experiment, tuple(runs), MODEL, searched)


async def _filled(client: httpx.AsyncClient, size: int) -> str:
    experiment = await _experiment(client, f"of {size} runs")
    numbers = iter(range(size))

    async def fill() -> None:
        for number in numbers:
            await _run(client, experiment, number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(fill())
    return experiment


async def _run(client: httpx.AsyncClient, experiment: str, number: int) -> str:
    made = await _tell(client, "runs/create", experiment_id=experiment, run_name=f"run {number}", start_time=number)
    run: str = made["run"]["info"]["run_id"]
    metrics = {"auc": number * 7919 % 1000 / 1000, "loss": 1.0, "precision": 0.5, "recall": 0.5}
    params = {"depth": number % 5, "rate": 0.1, "leaves": 31, "seed": number}
    await _tell(
        client,
        "runs/log-batch",
        run_id=run,
        metrics=[{"key": key, "value": value, "timestamp": 1000, "step": 0} for key, value in metrics.items()],
        params=[{"key": key, "value": str(value)} for key, value in params.items()],
        tags=[{"key": "team", "value": "blue"}],
    )
    return run


async def _experiment(client: httpx.AsyncClient, name: str) -> str:
    made: str = (await _tell(client, "experiments/create", name=name))["experiment_id"]
    return made


async def _tell(client: httpx.AsyncClient, path: str, **given: Any) -> Any:
    return (await client.post(path, json=given)).raise_for_status().json()
