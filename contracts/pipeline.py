"""A model's whole life, declared: objective, data, trainer, gates, triggers, rollout, monitors.

The declarative half of a pipeline file. It travels on the bus when the pipeline is registered, so that
services know everything about a pipeline without ever importing its code.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from contracts.dataset import Column as Column
from contracts.dataset import ColumnRole as ColumnRole
from contracts.dataset import ColumnType as ColumnType
from contracts.dataset import DatasetContract as DatasetContract
from contracts.dataset import NonFinite as NonFinite
from contracts.gates import AbsoluteGate as AbsoluteGate
from contracts.gates import ChampionGate as ChampionGate
from contracts.gates import CostGate, SliceGate
from contracts.gates import Gate as Gate
from contracts.inference import Streaming
from contracts.model import ColumnName as ColumnName
from contracts.model import Contract, PipelineName, Scalar
from contracts.model import MetricName as MetricName
from contracts.precompute import Precompute
from contracts.retraining import Backoff as Backoff
from contracts.retraining import Budget as Budget
from contracts.retraining import Policy as Policy
from contracts.retraining import Retraining as Retraining
from contracts.retraining import Trigger as Trigger
from contracts.retraining import TriggerKind as TriggerKind
from contracts.rollout import Rollout


class Objective(StrEnum):
    """What kind of answer the model gives."""

    BINARY_CLASSIFICATION = "binary_classification"
    REGRESSION = "regression"


class TrainerName(StrEnum):
    """The model families that can be trained: one module each in ``ray_jobs/trainers``."""

    LIGHTGBM = "lightgbm"
    TORCH = "torch"


class Trainer(Contract):
    """Which trainer, its parameters, and what it runs on."""

    name: TrainerName
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    workers: int = Field(default=1, ge=1, le=512, description="Distributed workers, where the trainer has any.")
    cpus_per_worker: float = Field(default=1.0, gt=0)
    use_gpu: bool = Field(default=False, description="Ask for one GPU per worker where the cluster has any.")
    max_attempts: int = Field(default=3, ge=1, le=10, description="How often a crashed job is started in all.")
    timeout_s: float = Field(default=3600, gt=0, description="Longest one attempt may run.")
    max_rebuild_difference: float = Field(
        default=0.0,
        ge=0,
        description="How far golden answers of a version built again may be off; 0: byte for byte the same model.",
    )


class TimeSplit(Contract):
    """Cuts by event time: the oldest rows train, later ones validate, the newest are held out."""

    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    holdout_fraction: float = Field(default=0.15, gt=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.validation_fraction + self.holdout_fraction >= 0.9:
            raise ValueError("validation and holdout leave less than a tenth of the rows to train on")
        return self


class Promotion(Contract):
    """What a version must pass to become champion, and who has the last word."""

    gates: tuple[Gate, ...] = Field(min_length=1)
    policy: Policy = Policy.AUTO
    approvals: int = Field(default=1, ge=1, le=2, description="Different people who must approve where a person must.")
    approval_expires_after: timedelta | None = Field(
        default=None, gt=timedelta(0), description="A version that waits longer is rejected; unset: it waits for good."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.approval_expires_after is not None and self.policy is not Policy.ASK:
            raise ValueError("approval_expires_after is for the policy ask: no other asks anything of a person")
        return self


class Monitors(Contract):
    """What is watched in production, over windows of event time."""

    window: timedelta = Field(default=timedelta(days=7), description="Length of a window of event time.")
    false_alarm_rate: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Stated rate per window of a detector of drift; of the inputs' at least.",
    )
    prediction_false_alarm_rate: float | None = Field(
        default=None, gt=0, lt=0.5, description="Of drift of the predictions; unset: as for the inputs."
    )
    fault_false_alarm_rate: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Of new categories, missing and rare values; unset: as for the inputs.",
    )
    trailing: timedelta = Field(
        default=timedelta(days=28),
        gt=timedelta(0),
        description="How far back a window is compared with those before it, to tell what broke from a season.",
    )
    min_effect: float = Field(default=0.1, ge=0, description="Cohen's w below which a shift means nothing.")
    min_rows: int = Field(default=100, ge=1, description="Fewest predictions for a window to be judged.")
    quality_metric: MetricName = "auc"
    max_quality_drop: float = Field(
        default=0.03, gt=0, description="Loss against the version's own held-out metric that counts as degraded."
    )
    quality_run_length: float = Field(
        default=1000, ge=10, description="Windows between two false alarms of quality, on average, at least."
    )
    min_labelled_fraction: float = Field(default=0.9, gt=0, le=1, description="Labels in before quality is judged.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of the interval around a window's quality.")


class PipelineDefinition(Contract):
    """Everything the services need to know about a pipeline."""

    name: PipelineName
    description: str = ""
    objective: Objective = Objective.BINARY_CLASSIFICATION
    dataset: DatasetContract
    trainer: Trainer
    split: TimeSplit = TimeSplit()
    slices: tuple[ColumnName, ...] = Field(default=(), max_length=8, description="Columns to report metrics by.")
    seed: int = Field(default=17, ge=0, lt=2**31)
    promotion: Promotion
    retraining: Retraining = Retraining()
    rollout: Rollout = Rollout()
    monitors: Monitors = Monitors()
    streaming: Streaming | None = Field(default=None, description="Unset: rows sent to the broker are not scored.")
    precompute: Precompute | None = Field(default=None, description="Unset: every answer is computed when asked for.")

    @property
    def quality_metric(self) -> MetricName:
        """What quality in production is judged by: a value has no area under a curve, and is judged by r2 instead."""
        declared = self.monitors.quality_metric
        return "r2" if declared == "auc" and self.objective is Objective.REGRESSION else declared

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = {column.name for column in self.dataset.columns}
        if unknown := set(self.slices) - known:
            raise ValueError(f"slices name columns that are not declared: {', '.join(sorted(unknown))}")
        self._check_gates()
        if self.precompute:
            self.precompute.key_columns(self.dataset)
        return self

    def _check_gates(self) -> None:
        for gate in self.promotion.gates:
            if isinstance(gate, SliceGate) and not self.slices:
                raise ValueError("a slice gate needs slices of the pipeline")
            if isinstance(gate, SliceGate) and (unknown := set(gate.columns) - set(self.slices)):
                raise ValueError(f"a slice gate names what are no slices: {', '.join(sorted(unknown))}")
            if isinstance(gate, CostGate) and self.objective is not Objective.BINARY_CLASSIFICATION:
                raise ValueError("a cost gate is for a binary label")
