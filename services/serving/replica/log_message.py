"""Answers in the words of the prediction log: `PredictionsServed`, written without building it.

Every row that is answered passes through here. The contract's model would validate and copy each value twice to give
the same bytes, which a test compares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

from contracts.serving import PredictionsServed


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of one request, as they were asked and answered."""

    version: int
    prediction_ids: Sequence[str]
    event_times: Sequence[datetime]
    served_at: datetime
    inputs: Mapping[str, Sequence[Any]]
    scores: Sequence[float]
    traceparent: str | None
    size_bytes: int
    """Of the request's body: how large its rows are."""

    def cut(self, start: int, end: int) -> "Answered":
        """Take some of the rows."""
        return replace(
            self,
            prediction_ids=self.prediction_ids[start:end],
            event_times=self.event_times[start:end],
            inputs={name: values[start:end] for name, values in self.inputs.items()},
            scores=self.scores[start:end],
        )


@dataclass(frozen=True)
class LogMessage:
    """What is published at once. It travels in the trace of the first answer in it that has one."""

    pipeline: str
    replica: str
    batches: Sequence[Answered]

    @property
    def address(self) -> str:
        """The full subject it is published on."""
        return f"{PredictionsServed.subject}.{self.pipeline}"

    @property
    def rows(self) -> int:
        """Predictions in it."""
        return sum(len(batch.prediction_ids) for batch in self.batches)

    @cached_property
    def traceparent(self) -> str | None:
        """Its trace context."""
        return next((batch.traceparent for batch in self.batches if batch.traceparent), None)

    def to_bytes(self, message_id: str, time: datetime) -> bytes:
        """Write the message in its envelope, as `contracts.envelope.seal` would."""
        envelope = {
            "specversion": "1.0",
            "id": message_id,
            "source": "/everloop/serving",
            "type": PredictionsServed.subject,
            "subject": self.pipeline,
            "time": time,
            "datacontenttype": "application/json",
            "traceparent": self.traceparent,
            "correlationid": message_id,
            "data": {
                "pipeline": self.pipeline,
                "replica": self.replica,
                "batches": [_written(batch) for batch in self.batches],
            },
        }
        if self.traceparent is None:
            del envelope["traceparent"]
        return orjson.dumps(envelope, option=orjson.OPT_UTC_Z)


def _written(batch: Answered) -> dict[str, Any]:
    written = {
        "version": batch.version,
        "prediction_ids": batch.prediction_ids,
        "event_times": batch.event_times,
        "served_at": batch.served_at,
        "inputs": batch.inputs,
        "scores": batch.scores,
    }
    return written if batch.traceparent is None else {**written, "traceparent": batch.traceparent}
