"""What a Ray job is given, and what it leaves."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.bundle import DatasetRef
from contracts.model import ColumnName, Contract, Digest, MetricName, PipelineName, Scalar, Uri, VersionNumber
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


class Difference(Contract):
    """How far candidate and champion are apart in a metric on the same held-out rows, by a paired bootstrap."""

    metric: MetricName
    confidence: float = Field(gt=0.5, lt=1, description="With which the difference is at least lower; so too upper.")
    block: timedelta | None = Field(default=None, description="Length of what was drawn; unset: single rows.")
    value: float = Field(description="The candidate's less the champion's.")
    lower: float
    upper: float
    resamples: int = Field(ge=1)
    units: int = Field(ge=1, description="Rows, or blocks of rows, that were drawn from.")


class Confusion(Contract):
    """How often acting on scores was right and wrong, on the held-out rows."""

    threshold: float = Field(description="Scores from here on were acted on.")
    true_positives: int = Field(ge=0)
    false_positives: int = Field(ge=0)
    true_negatives: int = Field(ge=0)
    false_negatives: int = Field(ge=0)


class Leakage(Contract):
    """What of the label could have been known beforehand; rows out of those of the report's splits."""

    named: tuple[str, ...] = Field(default=(), description="Model columns named as the label or its time.")
    power: dict[str, float] = Field(description="By model column: rank correlation with the label, without sign.")
    duplicates: int = Field(ge=0, description="Held-out rows equal to a training row in every feature and the label.")
    late_labels: int | None = Field(
        default=None,
        ge=0,
        description="Training rows whose label became known when the held-out time had begun; unset: no column tells.",
    )
    from_future: dict[ColumnName, int] = Field(
        default_factory=dict, description="By feature that is a time: held-out rows in which it is after the event."
    )


class ChampionComparison(Contract):
    """The champion on the candidate's held-out rows, beyond its metrics."""

    slices: tuple[SliceMetrics, ...] = ()
    differences: tuple[Difference, ...] = Field(default=(), description="Those that gates of the pipeline ask for.")
    confusions: tuple[Confusion, ...] = ()
    signature_breaks: tuple[str, ...] = Field(
        default=(), description="What would fail for those who ask the candidate as they ask the champion."
    )


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
    comparison: ChampionComparison | None = Field(default=None, description="Unset: no champion, or not measured.")
    confusions: tuple[Confusion, ...] = Field(default=(), description="At the thresholds of the pipeline's gates.")
    leakage: Leakage | None = Field(default=None, description="Unset: no gate asked, so it was not measured.")
    train: SplitReport
    validation: SplitReport
    holdout: SplitReport
    engine: Engine = Field(description="What read the rows; never auto.")
    device: str = Field(description="cpu or cuda.")
    stages_s: dict[str, float] = Field(description="Seconds spent by stage.")
    started_at: datetime
    finished_at: datetime


class PredictionSpec(Contract):
    """Score every row of a dataset version with a model version, to be looked up by key."""

    precomputation_id: UUID = Field(description="The same spec again goes on where it was interrupted.")
    version: VersionNumber
    bundle_uri: Uri
    bundle_digest: Digest
    dataset: DatasetRef
    rows: int | None = Field(default=None, ge=0, description="Of the dataset version; another count is refused.")
    key: tuple[ColumnName, ...] = Field(min_length=1, description="Columns that together name a row.")
    engine: Engine = Engine.AUTO
    in_process_max_rows: int = Field(default=5_000_000, ge=0, description="For engine auto: more take Ray Data.")
    table_uri: Uri = Field(
        description="Delta table of the pipeline's predictions. Each spec adds one version to it, of files whose names "
        "begin with its precomputation_id."
    )
    output_uri: Uri = Field(description="Directory for lookup.sqlite, report.json and progress.jsonl.")


class LookupReport(Contract):
    """The file in which scores are looked up; see decision 17."""

    uri: Uri
    digest: Digest
    size_bytes: int = Field(ge=0)
    keys: int = Field(ge=0)
    duplicates: int = Field(ge=0, description="Rows left out because a row of their key happened later.")
    without_key: int = Field(ge=0, description="Rows left out because part of their key is null.")


class PredictionReport(Contract):
    """What a batch prediction leaves."""

    precomputation_id: UUID
    pipeline: PipelineName
    version: VersionNumber
    bundle_digest: Digest
    dataset: DatasetRef
    table_uri: Uri
    delta_version: int = Field(ge=0, description="The table's version that holds exactly these predictions.")
    rows: int = Field(ge=0)
    resumed_rows: int = Field(ge=0, description="Those found scored already by an attempt that was interrupted.")
    lookup: LookupReport
    engine: Engine = Field(description="What scored the rows; never auto.")
    stages_s: dict[str, float] = Field(description="Seconds spent by stage.")
    started_at: datetime
    finished_at: datetime
