"""Logged models. No I/O. Times are milliseconds since 1970, as MLflow's clients give them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from contracts.model import PipelineName
from services.registry.tracking.domain import Metric, Stage


class ModelStatus(StrEnum):
    """Whether a model's files are there."""

    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as a client logged it.

    Attributes:
        id: ``m-`` and 32 hexadecimal digits.
        experiment_id: The experiment it belongs to.
        pipeline: The experiment's key.
        name: What people call it; many models of an experiment may share it.
        artifact_uri: Where its files are.
        created_ms: When it was made.
        updated_ms: When its status or stage last changed.
        model_type: What its client says it is.
        source_run_id: The run that made it, if one did.
        status: Whether its files are there.
        stage: Whether it is in use.
    """

    id: str
    experiment_id: str
    pipeline: PipelineName
    name: str
    artifact_uri: str
    created_ms: int
    updated_ms: int
    model_type: str | None = None
    source_run_id: str | None = None
    status: ModelStatus = ModelStatus.PENDING
    stage: Stage = Stage.ACTIVE

    def finalized(self, status: ModelStatus, at_ms: int) -> "LoggedModel":
        """Be all there, or never."""
        return replace(self, status=status, updated_ms=at_ms)

    def deleted(self, at_ms: int) -> "LoggedModel":
        """Be put away."""
        return replace(self, stage=Stage.DELETED, updated_ms=at_ms)


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """A point of a metric, and the run that measured it."""

    metric: Metric
    run_id: str


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is known about a logged model: of each metric every point that runs measured on it."""

    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[MeasuredMetric, ...] = ()
