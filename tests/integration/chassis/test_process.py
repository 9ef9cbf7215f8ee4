"""A service as a process: it waits for what is not there yet, and a signal always ends it."""

import os
import signal
import socket
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from tests.fixtures.nats import Broker
from tests.fixtures.waiting import eventually
from tests.integration.chassis.parties import Orders, hearer, run
from tests.integration.chassis.test_delivery_promise import forkserver


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def process(tmp_path: Path, broker: Broker, free_port: int) -> Iterator[BaseProcess]:
    """A service that is started while its broker is away."""
    broker.kill()
    orders = Orders(tmp_path, broker.url, None, seed=1, facts=0, crash_chance=0, port=free_port)
    process = forkserver().Process(target=run, args=(hearer, orders))
    process.start()
    yield process
    process.kill()
    process.join()


async def status(port: int, path: str) -> int:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
    except httpx.TransportError:
        return 0


async def answers(port: int, path: str, wanted: int) -> bool:
    return await status(port, path) == wanted


async def test_service_waits_for_its_broker_then_stops_on_a_signal(
    process: BaseProcess, broker: Broker, free_port: int
) -> None:
    await eventually(lambda: answers(free_port, "/health/live", 200))
    assert await status(free_port, "/health/ready") == 503
    assert await status(free_port, "/v1/counts/a") == 503

    broker.start()
    await eventually(lambda: answers(free_port, "/health/ready", 200))
    assert await status(free_port, "/v1/counts/a") == 404

    process.terminate()
    await eventually(lambda: not process.is_alive())
    assert process.exitcode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_service_that_still_waits_stops_on_a_signal(
    process: BaseProcess, free_port: int, number: signal.Signals
) -> None:
    await eventually(lambda: answers(free_port, "/health/live", 200))

    assert process.pid is not None
    os.kill(process.pid, number)
    await eventually(lambda: not process.is_alive())
    assert process.exitcode == 0
