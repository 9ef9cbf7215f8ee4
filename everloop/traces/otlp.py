"""Read spans out of an OTLP trace export request."""

import json
from collections.abc import Iterable

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from everloop.traces.span import Attribute, Link, Span

KINDS = ("internal", "internal", "server", "client", "producer", "consumer")


class UnreadableExportError(ValueError):
    """The body is no OTLP trace export request."""


def read_export(body: bytes) -> list[Span]:
    """Read a binary request.

    Raises:
        UnreadableExportError: The bytes are something else.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise UnreadableExportError(str(error)) from error
    return [
        _span(span, str(_attributes(resource.resource.attributes).get("service.name", "unknown")))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: WireSpan, service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        service=service,
        name=span.name,
        kind=KINDS[span.kind] if span.kind < len(KINDS) else "internal",
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        error=(span.status.message or _exception(span) or "error")
        if span.status.code == Status.STATUS_CODE_ERROR
        else None,
        attributes=_attributes(span.attributes),
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def _exception(span: WireSpan) -> str | None:
    for event in span.events:
        said = _attributes(event.attributes)
        if "exception.type" in said:
            return f"{said['exception.type']}: {said.get('exception.message', '')}"
    return None


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Attribute]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Attribute:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return json.dumps([_value(item) for item in value.array_value.values])
    if kind in {"string_value", "bool_value", "int_value", "double_value"}:
        plain: Attribute = getattr(value, kind)
        return plain
    return str(value) if kind else ""
