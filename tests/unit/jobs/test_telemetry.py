from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ray_jobs.telemetry import tracing

TRACE, SUBMITTER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def spans(self) -> dict[str, Span]:
        scopes = [scope for request in self.received for group in request.resource_spans for scope in group.scope_spans]
        return {span.name: span for scope in scopes for span in scope.spans}

    def services(self) -> set[str]:
        groups = [group for request in self.received for group in request.resource_spans]
        attributes = [attribute for group in groups for attribute in group.resource.attributes]
        return {attribute.value.string_value for attribute in attributes if attribute.key == "service.name"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def test_a_jobs_stages_belong_to_the_trace_of_its_submitter(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERLOOP_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server.server_port}")
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SUBMITTER}-01")

    with tracing("train", {"everloop.pipeline": "parcels"}) as spans, spans("fit"):
        pass

    found = collector.spans()
    assert collector.services() == {"ray-job"}
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    assert found["train"].parent_span_id.hex() == SUBMITTER
    assert found["fit"].parent_span_id == found["train"].span_id


def test_nobody_listening_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERLOOP_OTLP_ENDPOINT", raising=False)

    with tracing("train", {}) as spans, spans("fit") as span:
        assert span is None
