"""A span as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Attribute = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Link:
    """A span of another trace (or this one) that this one followed from."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """One timed piece of work of one service; ids are lower-case hex, times nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    error: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return (self.end_ns - self.start_ns) / 1e9
