"""Telemetry: OpenTelemetry set up once per service; one span per message, publication and request.

A message's envelope carries the context it was said in; its processing is a child of that, so one trace runs
through all services. The header carries the publication's own span, and the processing links to it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts import telemetry as names

_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """The tracer of one service."""

    def __init__(
        self, service: str, *, otlp_endpoint: str | None = None, processors: tuple[SpanProcessor, ...] = ()
    ) -> None:
        """Set up tracing; without an endpoint or processor, context is still carried.

        Args:
            service: Name of the service, on every span.
            otlp_endpoint: Base URL of an OTLP/HTTP collector, such as ``http://127.0.0.1:4318``.
            processors: See every span, besides the exporter.
        """
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.namespace": "everloop"}), shutdown_on_exit=False
        )
        if otlp_endpoint:
            # A collector that is gone must not hold up a service that stops.
            exporter = OTLPSpanExporter(f"{otlp_endpoint.rstrip('/')}/v1/traces", timeout=3)
            # A short delay: the trace of what just happened is what people look at.
            self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
        for processor in processors:
            self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("everloop")

    def make_global(self) -> None:
        """Let `opentelemetry.trace.get_tracer` find this service's; a process has one at most."""
        trace.set_tracer_provider(self._provider)

    def close(self) -> None:
        """Export what is left, and stop."""
        self._provider.shutdown()

    @contextmanager
    def publishing(
        self, subject: str, message_id: str, size_bytes: int, traceparent: str | None
    ) -> Iterator[dict[str, str]]:
        """Open the span of publishing one message; it is nobody's parent here, so several may be open at once.

        Args:
            subject: The full subject.
            message_id: Its id.
            size_bytes: Of its body.
            traceparent: The context it was said in; unset for the current one.

        Yields:
            Headers that carry the span.
        """
        type_, _, pipeline = subject.rpartition(".")
        attributes = _attributes("publish", "send", type_, pipeline, message_id, size_bytes)
        context = context_from(traceparent) if traceparent else None
        span = self.tracer.start_span(f"publish {type_}", context, SpanKind.PRODUCER, attributes)
        try:
            yield {"traceparent": context_of(span)}
        except BaseException as error:
            fail(span, error)
            raise
        finally:
            span.end()

    @contextmanager
    def processing(
        self,
        subject: str,
        message_id: str,
        size_bytes: int,
        *,
        consumer: str,
        traceparent: str | None,
        headers: Mapping[str, str],
    ) -> Iterator[Span]:
        """Open the span of handling one message, a child of the context it was said in."""
        type_, _, pipeline = subject.rpartition(".")
        attributes = _attributes("process", "process", type_, pipeline, message_id, size_bytes)
        attributes["messaging.consumer.group.name"] = consumer
        publication = trace.get_current_span(context_from(headers.get("traceparent"))).get_span_context()
        with self.tracer.start_as_current_span(
            f"process {type_}",
            context_from(traceparent or headers.get("traceparent")),
            SpanKind.CONSUMER,
            attributes,
            links=[Link(publication)] if publication.is_valid else [],
        ) as span:
            yield span


def current_traceparent() -> str | None:
    """Write the current span's context for the wire; None outside of any."""
    span = trace.get_current_span()
    return context_of(span) if span.get_span_context().is_valid else None


def context_of(span: Span) -> str:
    """Write a span's context for the wire."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "")


def context_from(traceparent: str | None) -> Context:
    """Read a context from the wire; an empty one where there is none or it is broken."""
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, Context())


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed, with the error but never with a message's content."""
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, type(error).__name__)


def _attributes(
    name: str, kind: str, type_: str, pipeline: str, message_id: str, size_bytes: int
) -> dict[str, str | int]:
    return {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": f"{type_}.{pipeline}",
        "messaging.destination.template": f"{type_}.{{pipeline}}",
        "messaging.message.id": message_id,
        "messaging.message.body.size": size_bytes,
        names.PIPELINE: pipeline,
    }
