"""Inference over the broker: requests that are kept until they are answered, their results, and rows that stream."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.message import Command, Event
from contracts.model import Contract, Digest, VersionNumber

MOST_ROWS = 5000
"""Of one request: so many answers fit into one message."""

Value = bool | int | float | str | None


class RequestInference(Command):
    """Answer rows as soon as a replica gets to it. Kept until it is answered, and answered once."""

    subject: ClassVar[str] = "commands.serving.inference.request.v1"

    request_id: UUID | None = Field(
        default=None,
        description="Asked again under it, it has one result and the same prediction ids. Unset: the message's id "
        "decides.",
    )
    rows: tuple[dict[str, Value], ...] = Field(
        default=(), max_length=MOST_ROWS, description="One object per row, column to value; the event time may be in."
    )
    columns: dict[str, tuple[Value, ...]] = Field(
        default_factory=dict, max_length=1000, description="The same by column, instead of rows."
    )
    version: VersionNumber | None = Field(default=None, description="Who shall answer; unset: whichever does.")
    routing_key: str | None = Field(
        default=None, max_length=256, description="One key, one version, while traffic is split."
    )
    explain: bool = Field(default=False, description="Say what each feature added to each score.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.rows) == bool(self.columns):
            raise ValueError("either rows or columns, and at least one")
        lengths = {len(values) for values in self.columns.values()}
        if self.columns and (len(lengths) > 1 or not 1 <= min(lengths) <= MOST_ROWS):
            raise ValueError(f"columns are of one length, 1 to {MOST_ROWS}")
        return self

    def by_row(self) -> tuple[dict[str, Value], ...]:
        """Give one mapping per row, however it was asked."""
        if self.rows:
            return self.rows
        names = tuple(self.columns)
        return tuple(dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True))


class Prediction(Contract):
    """The answer to one row."""

    prediction_id: str
    score: float = Field(description="Probability of the positive class, or the predicted value.")
    attributions: dict[str, float] | None = Field(default=None, description="What each feature added to the score.")


class Explanation(Contract):
    """What the attributions of a result are."""

    method: str
    unit: str
    base_value: float = Field(description="What a row's attributions are added to.")


class InferenceCompleted(Event):
    """A request was answered. Found by its id for as long as results are kept."""

    subject: ClassVar[str] = "events.serving.inference.completed.v1"

    request_id: UUID
    request_digest: Digest = Field(description="Of what was asked: the same id asks the same.")
    version: VersionNumber
    predictions: tuple[Prediction, ...] = Field(min_length=1)
    explanation: Explanation | None = None


class InferenceFailed(Event):
    """A request will not be answered: it does not fit the model, or the model fails on it."""

    subject: ClassVar[str] = "events.serving.inference.failed.v1"

    request_id: UUID
    request_digest: Digest
    status: int = Field(description="As over HTTP: 400 does not fit, 404 no such version, 413 too large, 500 a bug.")
    reason: str = Field(max_length=2000)


class Streaming(Contract):
    """Score the rows that arrive on ``rows.<pipeline>`` and ``rows.<pipeline>.<key>``; answers go to ``scores.…``."""

    order_by_key: bool = Field(
        default=False,
        description="Rows of one key are answered in the order they came in. One replica at a time then scores; "
        "another takes over when it dies.",
    )
