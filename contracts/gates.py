"""What a version must pass to become champion, declared: one class per kind of gate.

AbsoluteGate(metric="latency_ms", at_most=20)                       a measured value within bounds
ChampionGate(metric="auc", margin=-0.002, confidence=0.95)          surely no worse than the champion
SliceGate(metric="auc", max_loss=0.02, min_rows=500)                no group of rows pays for the others
CostGate(false_positive=1, false_negative=20, max_increase=0)       mistakes, in what they cost
LeakageGate()                                                       nothing knows the label beforehand
SchemaGate()                                                        who asks the champion can ask the candidate
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.model import ColumnName, Contract, MetricName

RESAMPLED = ("auc", "average_precision", "log_loss", "brier", "rmse", "mae", "r2")
"""Metrics of which an interval can be given: those that rows decide, not clocks."""

Share = Annotated[float, Field(ge=0, le=1)]


class AbsoluteGate(Contract):
    """The candidate's metric on the held-out data must lie within fixed bounds.

    Besides how good the answers are, a run measures ``latency_ms`` and ``size_bytes``, and where a gate names them
    ``latency_p99_ms`` and ``memory_bytes``: what a process grows by, at most, to load the version and answer.
    """

    kind: Literal["absolute"] = "absolute"
    metric: MetricName
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a gate needs at_least or at_most")
        return self


class ChampionGate(Contract):
    """The candidate must beat the champion on the same held-out data; passes where there is none."""

    kind: Literal["champion"] = "champion"
    metric: MetricName
    margin: float = Field(default=0.0, description="Least improvement, in the metric's unit; negative allows a loss.")
    higher_is_better: bool = True
    confidence: float | None = Field(
        default=None,
        gt=0.5,
        lt=1,
        description="How sure it must be that the improvement is at least the margin, by a paired bootstrap of the "
        "held-out rows; unset: the two measured values decide.",
    )
    block: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="Rows of one such stretch of event time are drawn together, for rows of a day are rarely "
        "independent; unset: each row alone.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.confidence is None and self.block is not None:
            raise ValueError("a block is for an interval: a gate with block needs confidence")
        if self.confidence is not None and self.metric not in RESAMPLED:
            raise ValueError(f"{self.metric} has no interval; with confidence: {', '.join(RESAMPLED)}")
        return self


class SliceGate(Contract):
    """No group of held-out rows may be answered badly, or much worse than by the champion."""

    kind: Literal["slice"] = "slice"
    metric: MetricName
    higher_is_better: bool = True
    worst: float | None = Field(default=None, description="Least good value of any slice; unset: any will do.")
    max_loss: float | None = Field(
        default=None, ge=0, description="Most that a slice may lose against the champion, in the metric's unit."
    )
    min_rows: int = Field(default=100, ge=30, description="Fewest held-out rows of a slice to be judged.")
    columns: tuple[ColumnName, ...] = Field(default=(), description="Of the pipeline's slices; none: all of them.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.worst is None and self.max_loss is None:
            raise ValueError("a slice gate needs worst or max_loss")
        return self


class CostGate(Contract):
    """What the mistakes of a binary model cost, on average over the held-out rows."""

    kind: Literal["cost"] = "cost"
    false_positive: float = Field(ge=0, description="Cost of acting on a row whose label is 0, in any unit.")
    false_negative: float = Field(ge=0, description="Cost of not acting on a row whose label is 1, in that unit.")
    threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Score from which on one acts; unset: where acting starts to pay if scores are probabilities.",
    )
    at_most: float | None = Field(default=None, description="Most that a row may cost; unset: any.")
    max_increase: float | None = Field(
        default=None, description="Most that a row may cost more than with the champion; negative asks for savings."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at_most is None and self.max_increase is None:
            raise ValueError("a cost gate needs at_most or max_increase")
        if self.threshold is None and not (self.false_positive and self.false_negative):
            raise ValueError("where one of the mistakes costs nothing, a cost gate needs a threshold")
        return self

    @property
    def acts_from(self) -> float:
        """Score from which on one acts."""
        return self.threshold or self.false_positive / (self.false_positive + self.false_negative)


class LeakageGate(Contract):
    """The held-out data must measure what production will: nothing of the label may be known beforehand.

    A model column named as the label or its time fails the gate whatever is allowed below, and so do training rows
    as new as held-out ones. Each bound may be set to null: that check is left out.
    """

    kind: Literal["leakage"] = "leakage"
    max_power: Share | None = Field(
        default=0.95,
        description="Most that one column alone may tell of the label: its rank correlation, without sign (for a "
        "binary label |2 AUC - 1|); 1 is everything.",
    )
    max_duplicates: Share | None = Field(
        default=0.01, description="Share of held-out rows that equal a training row in every feature and the label."
    )
    max_late_labels: Share | None = Field(
        default=0.0, description="Share of training rows whose label became known when the held-out time had begun."
    )
    max_from_future: Share | None = Field(
        default=0.0, description="Share of held-out rows in which a feature is a time after the event."
    )


class SchemaGate(Contract):
    """Whoever can ask the champion can ask the candidate, unchanged."""

    kind: Literal["schema"] = "schema"


Gate = Annotated[
    AbsoluteGate | ChampionGate | SliceGate | CostGate | LeakageGate | SchemaGate, Field(discriminator="kind")
]


def compares(gate: Gate) -> bool:
    """Tell whether a gate holds the candidate against the champion, so that its verdict ends with that champion."""
    match gate:
        case ChampionGate() | SchemaGate():
            return True
        case SliceGate(max_loss=bound) | CostGate(max_increase=bound):
            return bound is not None
        case AbsoluteGate() | LeakageGate():
            return False
