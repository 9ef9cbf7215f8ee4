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
    effect: float = Field(ge=0, description="Cohen's w against the reference.")
    score: float = Field(description="Effect standardised by the reference's own blocks.")


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


class QualityDegraded(Event):
    """With its labels in, a window's quality is below the version's own by more than is allowed."""

    subject: ClassVar[str] = "events.monitoring.quality.degraded.v1"

    version: VersionNumber
    window_start: AwareDatetime
    window_end: AwareDatetime
    metric: MetricName
    value: float
    low: float = Field(description="Lower end of the confidence interval.")
    high: float = Field(description="Upper end of the confidence interval.")
    reference: float = Field(description="The version's metric on its held-out data.")
    threshold: float = Field(description="Below which the interval had to lie.")
    predictions: int = Field(ge=1)
    labelled: int = Field(ge=1)
