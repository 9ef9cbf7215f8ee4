"""The receiver takes what a stock OpenTelemetry exporter sends."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind

from everloop.traces.receiver import PROTOBUF, build
from everloop.traces.store import SpanStore


@pytest.fixture
def store(tmp_path: Path) -> SpanStore:
    return SpanStore(tmp_path / "spans.sqlite")


@pytest.fixture
async def receiver(store: SpanStore) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build(store))
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
        yield client
    store.close()


def _exported() -> tuple[bytes, str]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "registry"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("before") as before:
        pass
    with (
        pytest.raises(ValueError, match="broken"),
        tracer.start_as_current_span(
            "work", kind=SpanKind.CONSUMER, attributes={"rows": 3}, links=[Link(before.get_span_context())]
        ) as work,
    ):
        raise ValueError("broken")
    body = encode_spans(memory.get_finished_spans()).SerializeToString()
    return body, f"{work.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_export_is_kept(receiver: httpx.AsyncClient, store: SpanStore, compressed: bool) -> None:
    body, trace_id = _exported()
    headers = {"content-type": PROTOBUF} | ({"content-encoding": "gzip"} if compressed else {})

    answer = await receiver.post("/v1/traces", content=gzip.compress(body) if compressed else body, headers=headers)

    assert answer.status_code == 200
    (span,) = store.trace(trace_id)
    assert (span.service, span.name, span.kind, span.attributes) == ("registry", "work", "consumer", {"rows": 3})
    assert span.error == "ValueError: broken"
    assert span.parent_id is None
    assert len(span.links) == 1
    assert span.duration_s > 0


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", {"content-type": PROTOBUF}, 400),
        (b"no gzip", {"content-type": PROTOBUF, "content-encoding": "gzip"}, 400),
        (b"{}", {"content-type": "application/json"}, 415),
    ],
)
async def test_what_is_no_export_is_refused(
    receiver: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await receiver.post("/v1/traces", content=body, headers=headers)).status_code == status


async def test_metrics_and_logs_are_taken_and_dropped(receiver: httpx.AsyncClient) -> None:
    assert (await receiver.post("/v1/metrics", content=b"")).status_code == 200
    assert (await receiver.get("/health/ready")).status_code == 200
