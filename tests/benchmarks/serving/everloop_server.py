"""Everloop's side: broker, trace receiver, Ray and the serving service, asked through the public port.

What people run, less what does not serve: predictions go to the log and requests are traced at the default rate.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from contracts.message import Message
from contracts.registry import ModelVersionPromoted, PromotionKind
from contracts.training import CodeSnapshot, PipelineRegistered
from services.chassis.bus import connect
from services.chassis.speech import say
from services.chassis.streams import reconcile_streams
from services.chassis.telemetry import Telemetry
from tests.benchmarks.serving.flights import Flights
from tests.fixtures.nats import Broker
from tests.fixtures.ray import RayHead, free_port


@contextmanager
def serving(flights: Flights, home: Path) -> Iterator[int]:
    """Serve a model with one replica for the length of a block; gives the public port."""
    broker = Broker(home / "nats")
    broker.start()
    try:
        # Ray's sockets want a short path.
        with TemporaryDirectory(prefix="ev-bench-", ignore_cleanup_errors=True) as short:
            head = RayHead(Path(short))
            try:
                head.start()
                with _processes(home, broker.url, head):
                    asyncio.run(_promote(flights, broker.url))
                    yield head.serve_port
            finally:
                head.kill()
    finally:
        broker.kill()


@contextmanager
def _processes(home: Path, nats_url: str, head: RayHead) -> Iterator[None]:
    traces = free_port()
    environment = {
        "EVERLOOP_HOME": str(home),
        "EVERLOOP_NATS_URL": nats_url,
        "EVERLOOP_OTLP_ENDPOINT": f"http://127.0.0.1:{traces}",
        "EVERLOOP_SERVING_RAY_URL": head.url,
        "EVERLOOP_SERVING_SERVE_PORT": str(head.serve_port),
    }
    receiver = [sys.executable, "-m", "everloop.traces.receiver", "--port", str(traces), str(home / "spans.sqlite")]
    with (home / "log").open("wb") as log:
        running = [
            subprocess.Popen(receiver, stdout=log, stderr=log),
            subprocess.Popen([sys.executable, "-m", "services.serving.main"], stdout=log, stderr=log, env=environment),
        ]
        try:
            yield
        finally:
            for process in reversed(running):
                process.terminate()
            for process in running:
                process.wait(60)


async def _promote(flights: Flights, nats_url: str) -> None:
    name = flights.definition.name
    code = CodeSnapshot(uri="/nowhere", digest=f"sha256:{'0' * 64}")
    facts: tuple[Message, ...] = (
        PipelineRegistered(pipeline=name, definition=flights.definition, code=code),
        ModelVersionPromoted(
            pipeline=name,
            version=1,
            kind=PromotionKind.GATES,
            promoted_by="policy:auto",
            reason="to be measured",
            run_id=uuid4(),
            bundle_uri=flights.bundle_uri,
            bundle_digest=flights.bundle_digest,
        ),
    )
    async with connect(nats_url, name="benchmark") as bus:
        await reconcile_streams(bus)
        for fact in facts:
            await say(bus, fact, source="benchmark", telemetry=Telemetry("benchmark"))
