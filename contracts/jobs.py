"""What a Ray job is given, and what it leaves."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.bundle import DatasetRef
from contracts.model import Contract, Digest, PipelineName, Scalar, Uri, VersionNumber
from contracts.pipeline import PipelineDefinition
from contracts.training import CodeSnapshot

REFUSED_EXIT_CODE = 3
"""A job leaves with this when it refuses its spec: trying again cannot help."""


class Engine(StrEnum):
    """What reads and transforms the rows: this process, or Ray Data when they outgrow it."""

    AUTO = "auto"
    IN_PROCESS = "in_process"
    RAY_DATA = "ray_data"


class ChampionRef(Contract):
    """The version a candidate is compared with."""

    version: VersionNumber
    bundle_uri: Uri
    bundle_digest: Digest


class TrainingSpec(Contract):
    """Everything that decides what a run produces. The same spec gives the same model."""

    run_id: UUID
    definition: PipelineDefinition
    dataset: DatasetRef
    code: CodeSnapshot
    parameters: dict[str, Scalar] = Field(description="The trainer's, overrides applied.")
    seed: int
    champion: ChampionRef | None = None
    environment_digest: Digest | None = Field(default=None, description="Refuse to run in any other; unset: any.")
    environment_uri: Uri | None = Field(
        default=None, description="Where that environment is described, so that a refusal can name the differences."
    )
    engine: Engine = Engine.AUTO
    output_uri: Uri = Field(description="Directory of this run: bundle/, report.json, progress.jsonl, checkpoints/.")


class Progress(Contract):
    """One line of ``progress.jsonl``."""

    at: AwareDatetime
    stage: str = Field(max_length=100)
    fraction: float = Field(ge=0, le=1)
    metrics: dict[str, float] = Field(default_factory=dict)


class SplitReport(Contract):
    """One part of the data, cut by event time."""

    rows: int = Field(ge=0)
    start: AwareDatetime
    end: AwareDatetime


class SliceMetrics(Contract):
    """Metrics of the rows that share a value."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float]


class TrainingReport(Contract):
    """What a run leaves: where the model is and how good it is."""

    run_id: UUID
    pipeline: PipelineName
    bundle_uri: Uri
    bundle_digest: Digest
    model_digest: Digest
    metrics: dict[str, float] = Field(description="On the held-out data, with latency_ms and size_bytes.")
    champion_version: VersionNumber | None = None
    champion_metrics: dict[str, float] = Field(default_factory=dict, description="On the same held-out rows.")
    slices: tuple[SliceMetrics, ...] = ()
    train: SplitReport
    validation: SplitReport
    holdout: SplitReport
    engine: Engine = Field(description="What read the rows; never auto.")
    device: str = Field(description="cpu or cuda.")
    stages_s: dict[str, float] = Field(description="Seconds spent by stage.")
    started_at: datetime
    finished_at: datetime


class PredictionSpec(Contract):
    """Score every row of a dataset version with a model version."""

    bundle_uri: Uri
    bundle_digest: Digest
    dataset: DatasetRef
    engine: Engine = Engine.AUTO
    output_uri: Uri = Field(description="Directory for predictions/*.parquet and report.json.")


class PredictionReport(Contract):
    """What a batch prediction leaves."""

    pipeline: PipelineName
    bundle_digest: Digest
    dataset: DatasetRef
    predictions_uri: Uri = Field(description="Directory of Parquet files: ids, event time and score.")
    rows: int = Field(ge=0)
    engine: Engine = Field(description="What read the rows; never auto.")
    started_at: datetime
    finished_at: datetime
