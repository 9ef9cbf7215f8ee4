"""Spans leave by OTLP over HTTP, and a collector that is gone holds nobody up."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contracts.ingestion import IngestDataset
from contracts.serving import RolloutRolledBack
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import EchoSettings, build


class Collector(ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: set[tuple[str, str]] = set()
        super().__init__(("127.0.0.1", 0), Door)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Door(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            names = [pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"]
            for scope in resource.scope_spans:
                self.server.spans.update((names[0], span.name) for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


async def test_spans_arrive_at_the_collector(sqlite_world: World, collector: Collector) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings, otlp_endpoint=collector.url))):
        await world.publish(IngestDataset(pipeline="flights", uri="fine"))
        await eventually(lambda: world.said(RolloutRolledBack))

    assert collector.spans == {
        ("ingestion", "process commands.ingestion.dataset.ingest.v1"),
        ("ingestion", "publish events.serving.rollout.started.v1"),
        ("ingestion", "process events.serving.rollout.started.v1"),
        ("ingestion", "publish events.serving.rollout.rolled_back.v1"),
    }


async def test_absent_collector_holds_nobody_up(sqlite_world: World) -> None:
    world = sqlite_world
    async with world.running(build(world.settings(EchoSettings, otlp_endpoint="http://127.0.0.1:1"))):
        await world.publish(IngestDataset(pipeline="flights", uri="fine"))
        await eventually(lambda: world.said(RolloutRolledBack))
        asked_to_stop = time.monotonic()

    assert time.monotonic() - asked_to_stop < 6
