"""A model that is asked all the time, and its replica, found, killed and replaced."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import psutil
import tritonclient.http as triton

from contracts.serving import RolloutStarted
from tests.integration.serving.stage import MODEL, ServingWorld, Stage, request, version_of


@contextmanager
def load(url: str, *, clients: int = 4, outages: bool = False) -> Iterator[list[httpx.Response]]:
    """Ask the model all the time from several threads; gives the growing list of answers.

    Args:
        url: Of the model.
        clients: Threads.
        outages: Go on asking where nobody answers.
    """
    answers: list[httpx.Response] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while not over.is_set():
                try:
                    answers.append(client.post(f"{url}/infer", json=request([1.0, 2.0])))
                except httpx.HTTPError:
                    if not outages:
                        raise
                    over.wait(0.1)  # what comes back needs the processor more
                time.sleep(0.002)  # a closed loop without a pause would leave no processor to what is measured

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        return await client.get(url)


async def is_ready(server: str) -> bool:
    return bool((await get(f"{server}/health/ready")).json().get("ready"))


async def replica_pid(stage: Stage) -> int | None:
    """Find the process of the model's one running replica."""
    applications = (await get(f"{stage.ray_head.url}/api/serve/applications/")).json()["applications"]
    replicas = applications[f"model-{MODEL}"]["deployments"]["replica"]["replicas"]
    return next((int(one["pid"]) for one in replicas if one["state"] == "RUNNING"), None)


async def other_replica(stage: Stage, killed: int | None) -> bool:
    return await replica_pid(stage) not in (killed, None)


def kill_process(pid: int | None) -> None:
    assert pid is not None
    psutil.Process(pid).kill()


async def is_replaced(stage: Stage, *, log_flush_s: float) -> bool:
    """Tell whether the one replica that runs is one with these settings."""
    applications = (await get(f"{stage.ray_head.url}/api/serve/applications/")).json()["applications"]
    application = applications.get(f"model-{MODEL}", {})
    if application.get("status") != "RUNNING" or await replica_pid(stage) is None:
        return False
    replicas = application["deployments"]["replica"]["replicas"]
    return len(replicas) == 1 and application["deployed_app_config"]["args"]["log_flush_s"] == log_flush_s


async def answered(world: ServingWorld, version: int) -> dict[str, Any]:
    answer = await world.infer([1.0])
    return answer.json() if answer.is_success and version_of(answer.json()) == version else {}


async def started(world: ServingWorld, version: int) -> bool:
    return any(one.version == version for one in await world.world.said(RolloutStarted))


def times(rows: int) -> dict[str, Any]:
    return {"name": "at", "datatype": "BYTES", "shape": [rows], "data": ["2013-01-01T00:15:00-05:00"] * rows}


def ask_as_triton(address: str) -> list[float]:
    """Ask with its client, which is binary both ways and blocks."""
    columns = {"x": np.array([1.5]), "stops": np.array([0]), "carrier": np.array(["UA"], dtype=np.object_)}
    tensors = []
    for (name, values), datatype in zip(columns.items(), ("FP64", "INT64", "BYTES"), strict=True):
        tensors.append(triton.InferInput(name, [1], datatype))
        tensors[-1].set_data_from_numpy(values)
    with triton.InferenceServerClient(address) as client:
        scores: list[float] = client.infer(MODEL, tensors).as_numpy("score").tolist()
    return scores
