"""Find a trace by whatever id a person has at hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everloop.traces.span import Span
from everloop.traces.store import SpanStore

TRACE_ID = re.compile(r"^[0-9a-f]{32}$")
PREFIX = re.compile(r"^[0-9a-f]{6,31}$")


class NoTraceError(LookupError):
    """No span is kept that the id leads to."""


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is kept of one trace, and what linked to it from others."""

    trace_id: str
    spans: Sequence[Span]
    followers: Sequence[Span]


def read_trace(file: Path, trace_id: str) -> Trace:
    """Read a trace from the store's file.

    Raises:
        NoTraceError: Nothing is kept of it.
    """
    if not file.exists():
        raise NoTraceError(f"no spans are kept at {file}")
    store = SpanStore(file, read_only=True)
    try:
        spans = store.trace(trace_id)
        if not spans:
            raise NoTraceError(f"nothing is kept of trace {trace_id}")
        return Trace(trace_id, spans, store.followers(trace_id))
    finally:
        store.close()


def find_trace_id(file: Path, mark: str) -> str | None:
    """Find the trace of a trace id, its beginning, a run id or a message id; the newest of several.

    Returns:
        None if no span mentions it; it may be a prediction's id, which only monitoring knows.
    """
    if TRACE_ID.match(mark):
        return mark
    if not file.exists():
        return None
    store = SpanStore(file, read_only=True)
    try:
        if found := store.traces_of(mark):
            # A run is first mentioned where it began; a message where it was said.
            return found[0]
        begun = store.starting_with(mark) if PREFIX.match(mark) else []
        return begun[0] if len(begun) == 1 else None
    finally:
        store.close()


def trace_of(traceparent: str | None) -> str | None:
    """Read the trace id out of a W3C traceparent."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None
