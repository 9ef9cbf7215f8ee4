"""Experiments and their runs, whoever logged them: an MLflow client, or Everloop itself. No I/O.

Times are milliseconds since 1970, as MLflow's clients give them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from contracts.model import PipelineName
from services.chassis.errors import RejectedError

DEFAULT_EXPERIMENT = "0"
"""The experiment that is there from the start."""
RUN_NAME = "mlflow.runName"
"""The tag that is a run's name."""
LOGGED_MODELS = "mlflow.log-model.history"
"""The tag in which clients before 3 keep which models a run logged."""
DATASET_CONTEXT = "mlflow.data.context"
"""The tag of a dataset that says what it was used for, such as training."""
LARGEST = 1.7976931348623157e308


class Stage(StrEnum):
    """Whether something is in use. What was deleted can be restored until it is collected for good."""

    ACTIVE = "active"
    DELETED = "deleted"


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class Experiment:
    """Runs that belong together.

    Attributes:
        id: A number, as text.
        name: Free text, of one experiment only, deleted ones included.
        pipeline: The key its messages are said under; it stays when the name changes.
        artifact_location: Where its runs leave their files.
        stage: Whether it is in use.
        created_ms: When it was made.
        updated_ms: When its name or stage last changed.
        tags: What people noted.
    """

    id: str
    name: str
    pipeline: PipelineName
    artifact_location: str
    stage: Stage
    created_ms: int
    updated_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)

    def must_be_active(self) -> None:
        """Refuse to change what was deleted.

        Raises:
            RejectedError: It was deleted.
        """
        if self.stage is not Stage.ACTIVE:
            raise RejectedError("experiment_deleted", field="experiment_id", experiment_id=self.id)

    def renamed(self, name: str, at_ms: int) -> "Experiment":
        """Have another name."""
        return replace(self, name=name, updated_ms=at_ms)

    def staged(self, stage: Stage, at_ms: int) -> "Experiment":
        """Be deleted, or restored."""
        return replace(self, stage=stage, updated_ms=at_ms)


@dataclass(frozen=True, slots=True)
class Run:
    """One try.

    Attributes:
        id: 32 hexadecimal digits; of an Everloop run, those of its UUID.
        experiment_id: The experiment it belongs to.
        pipeline: The experiment's key.
        name: What people call it.
        user: Who started it.
        status: How far it is.
        started_ms: When it began.
        ended_ms: When it ended.
        artifact_uri: Where it leaves its files.
        stage: Whether it is in use.
        deleted_ms: When it was deleted.
    """

    id: str
    experiment_id: str
    pipeline: PipelineName
    name: str
    user: str
    status: RunStatus
    started_ms: int
    artifact_uri: str
    ended_ms: int | None = None
    stage: Stage = Stage.ACTIVE
    deleted_ms: int | None = None

    def must_be_active(self) -> None:
        """Refuse to change what was deleted.

        Raises:
            RejectedError: It was deleted.
        """
        if self.stage is not Stage.ACTIVE:
            raise RejectedError("run_deleted", field="run_id", run_id=self.id)


class Metric(NamedTuple):
    """One point of a metric; a run logs them by the thousand.

    ``model_id`` and the dataset say what was measured on what, where the client knows.
    """

    key: str
    value: float
    timestamp_ms: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run used, as its client describes them."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset and what it was used for, told by tags."""

    dataset: Dataset
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A logged model that a run made, and at which step."""

    model_id: str
    step: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run has logged: of each metric its latest point."""

    metrics: tuple[Metric, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()


@dataclass(frozen=True, slots=True)
class TagChange:
    """A tag has another value than before; None: it is not there."""

    key: str
    value: str | None
    previous: str | None = None


def latest(metrics: Iterable[Metric]) -> list[Metric]:
    """Pick the latest point of each metric: of the largest step, then time, then value. NaN counts as 0."""
    newest: dict[str, Metric] = {}
    for metric in metrics:
        known = newest.get(metric.key)
        if known is None or _age(metric) > _age(known):
            newest[metric.key] = metric
    return [newest[key] for key in sorted(newest)]


def _age(metric: Metric) -> tuple[int, int, float]:
    return metric.step, metric.timestamp_ms, 0.0 if math.isnan(metric.value) else metric.value


def storable(value: float) -> float:
    """Bring infinities to the largest number there is, as MLflow's servers do; NaN stays."""
    return math.copysign(LARGEST, value) if math.isinf(value) else value
