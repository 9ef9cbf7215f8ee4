"""One month of the replay, and the whole of it, as the demo tells them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Month:
    """What a month brought: its flights, both models' ranking of them, and what the loop decided at its end."""

    month: str
    flights: int
    auc_frozen: float
    auc_live: float
    drift: str
    champion: int
    decision: str


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the demo measured."""

    months: tuple[Month, ...]
    predictions: int
    failed_requests: int
    runs: int
    retrainings_from_monitoring: int
    promotions: int
    refusals: int
    refused_on_purpose: bool
    loop_latency_s: Mapping[str, float]
    trace_id: str
    trace_spans_by_service: Mapping[str, int]
    why: Mapping[str, Any]
    picture: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Give one object for programs."""
        return asdict(self)
