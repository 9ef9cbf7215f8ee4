"""Spans of a job: children of whoever submitted it, told by ``TRACEPARENT``; free where nobody listens."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

OTLP_ENDPOINT = "EVERLOOP_OTLP_ENDPOINT"
TRACEPARENT = "TRACEPARENT"
SERVICE = "ray-job"


class Spans(Protocol):
    """Opens spans, one inside the other."""

    def __call__(self, name: str) -> AbstractContextManager[object]:
        """Open a span."""


@contextmanager
def tracing(name: str, attributes: Mapping[str, str | int]) -> Iterator[Spans]:
    """Trace a job while it runs, and export before it ends.

    Yields:
        What opens the spans of the job's stages; opens nothing without ``EVERLOOP_OTLP_ENDPOINT``.
    """
    endpoint = os.environ.get(OTLP_ENDPOINT)
    if not endpoint:
        yield lambda _: nullcontext()
        return
    # Imported here: a run on a laptop should not pay for what it does not use.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    resource = Resource.create({"service.name": SERVICE, "service.namespace": "everloop"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("everloop")
    parent = TraceContextTextMapPropagator().extract({"traceparent": os.environ.get(TRACEPARENT, "")})
    try:
        with tracer.start_as_current_span(name, parent, attributes=attributes):
            yield tracer.start_as_current_span
    finally:
        provider.shutdown()
