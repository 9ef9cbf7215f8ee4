"""What is said to and by the monitoring service."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event
from contracts.model import Contract, Uri, VersionNumber
from contracts.pipeline import MetricName


class GroundTruth(Contract):
    """What really happened after one prediction."""

    prediction_id: str = Field(min_length=1, max_length=64)
    label: float = Field(description="For a binary outcome 0 or 1, else the value.")
    observed_at: AwareDatetime


class RecordGroundTruth(Command):
    """Tell the platform how predictions turned out."""

    subject: ClassVar[str] = "commands.monitoring.ground_truth.record.v1"

    labels: tuple[GroundTruth, ...] = Field(min_length=1, max_length=2000)


class GroundTruthRecorded(Event):
    """Labels were kept and joined with their predictions."""

    subject: ClassVar[str] = "events.monitoring.ground_truth.recorded.v1"

    matched: int = Field(ge=0, description="Labels whose prediction is known.")
    parked: int = Field(ge=0, description="Labels kept until their prediction arrives.")
    corrected: int = Field(ge=0, description="Labels that replaced an earlier, different one.")
    total: int = Field(ge=0, description="Labels of this pipeline that are joined with a prediction, in all.")
    latest_observation: AwareDatetime


class DriftKind(StrEnum):
    """What moved away from the training reference."""

    INPUT = "input"
    PREDICTION = "prediction"


class FeatureShift(Contract):
    """How far one feature moved."""

    feature: str
    effect: float = Field(ge=0, description="Cohen's w against the reference; of a single cell, Cohen's h.")
    score: float = Field(
        description="Effect standardised by the reference's own blocks; of a single cell, -log10 of its exact p-value."
    )
    cell: str | None = Field(
        default=None, description="The cell, if it is one: unseen, missing, or rare (all that hardly occur together)."
    )
    share: float | None = Field(default=None, description="Of the window's rows in the cell.")
    usual_share: float | None = Field(default=None, description="Of the reference's.")


class DriftDetected(Event):
    """A window differs from the training reference more than the reference's own blocks do."""

    subject: ClassVar[str] = "events.monitoring.drift.detected.v1"

    version: VersionNumber
    drift: DriftKind
    window_start: AwareDatetime
    window_end: AwareDatetime
    rows: int = Field(ge=1)
    statistic: float = Field(description="Largest standardised shift over the features.")
    threshold: float
    false_alarm_rate: float = Field(description="The detector's stated rate per window.")
    shifts: tuple[FeatureShift, ...] = Field(min_length=1, max_length=10, description="Largest first.")
    reference_uri: Uri
    effect: float | None = Field(default=None, description="Largest effect over the features.")
    blocks: int | None = Field(default=None, description="Blocks of time of the reference.")
    reference_rows: int | None = Field(default=None, description="Rows in them.")


class Breakage(StrEnum):
    """What looks broken.

    ``input`` and ``prediction`` are unlike those of the days before; a ``fault`` is a new category, missing values, or
    values that hardly occurred before.
    """

    INPUT = "input"
    PREDICTION = "prediction"
    FAULT = "fault"


class DataBroken(Event):
    """A window looks broken, and a person should look: to train on it would teach the fault."""

    subject: ClassVar[str] = "events.monitoring.data.broken.v1"

    version: VersionNumber
    breakage: Breakage
    window_start: AwareDatetime
    window_end: AwareDatetime
    rows: int = Field(ge=1)
    statistic: float = Field(description="Largest score over the features.")
    threshold: float
    false_alarm_rate: float = Field(description="The detector's stated rate per window.")
    effect: float
    blocks: int = Field(ge=1, description="Blocks of time it was compared with.")
    reference_rows: int = Field(ge=1, description="Rows in them.")
    shifts: tuple[FeatureShift, ...] = Field(min_length=1, max_length=10, description="Largest first.")


class QualityDegraded(Event):
    """With its labels in, this window made it sure that quality is below the version's own by more than is allowed."""

    subject: ClassVar[str] = "events.monitoring.quality.degraded.v1"

    version: VersionNumber
    window_start: AwareDatetime
    window_end: AwareDatetime
    metric: MetricName
    value: float
    low: float = Field(description="Lower end of the confidence interval.")
    high: float = Field(description="Upper end of the confidence interval.")
    reference: float = Field(description="The version's metric on its held-out data.")
    threshold: float = Field(description="What the metric may fall to, or rise to where lower is better.")
    predictions: int = Field(ge=1)
    labelled: int = Field(ge=1)
    statistic: float | None = Field(
        default=None, description="Shiryaev-Roberts statistic of the windows up to this one, in the order of time."
    )
    statistic_threshold: float | None = Field(default=None, description="Which it has reached.")
    run_length: float | None = Field(
        default=None, description="Stated average number of windows until a false alarm, at least."
    )
    p: float | None = Field(default=None, description="Of this window alone, by Student's t over blocks of time.")
    blocks: int | None = Field(default=None, description="Blocks of time that p goes by.")
