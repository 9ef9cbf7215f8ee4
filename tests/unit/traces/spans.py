"""Spans for tests."""

from typing import Any

from everloop.traces.span import Span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "0af7651916cd43dd8448eb211c80319c"
SECOND = 1_000_000_000


def span(name: str, *, start_s: float = 0, lasts_s: float = 1, parent: str | None = None, **fields: Any) -> Span:
    """Make a span whose id is its name, padded."""
    return Span(
        trace_id=fields.pop("trace_id", TRACE),
        span_id=span_id(name),
        parent_id=span_id(parent) if parent else None,
        service=fields.pop("service", "training"),
        name=name,
        kind="internal",
        start_ns=int(start_s * SECOND),
        end_ns=int((start_s + lasts_s) * SECOND),
        **fields,
    )


def span_id(name: str) -> str:
    """Write a name as a span's id."""
    return name.encode().hex().ljust(16, "0")[:16]
