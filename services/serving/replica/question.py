"""What a version is asked and what it answers, in no protocol's form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """Rows that agree with the signature of the version that is asked."""

    rows: int
    columns: Mapping[str, Sequence[Any]]
    event_times: Sequence[datetime] | None = None
    size_bytes: int = 0
    """Of the request as it came: how large its rows are."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a version answered, one entry per row."""

    version: int
    scores: Sequence[float]
    prediction_ids: Sequence[str]
    served_at: datetime
