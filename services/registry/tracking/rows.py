"""The tables of experiments and runs. Times are milliseconds since 1970."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKeyConstraint, Index, Integer, String, Text, text
from sqlmodel import Field

from services.registry.rows import Row
from services.registry.tracking.domain import Experiment, Stage

CLUSTERED = {"sqlite_with_rowid": False}
"""A table kept in the order of its key, where the database can: half the writes, and a run's rows lie together."""


class ExperimentRow(Row, table=True):
    """An experiment. Its number is never given again."""

    __tablename__ = "experiments"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True, sa_type=Integer)
    name: str = Field(unique=True, sa_type=String(500))
    pipeline: str = Field(index=True)
    artifact_location: str = Field(sa_type=Text)
    stage: str = Stage.ACTIVE.value
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)

    def to_domain(self, tags: dict[str, str]) -> Experiment:
        """Read the row."""
        return Experiment(
            str(self.id),
            self.name,
            self.pipeline,
            self.artifact_location,
            Stage(self.stage),
            self.created_ms,
            self.updated_ms,
            tags,
        )


class ExperimentTagRow(Row, table=True):
    """A tag of an experiment."""

    __tablename__ = "experiment_tags"
    __table_args__ = (CLUSTERED,)

    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    key: str = Field(primary_key=True, sa_type=String(250))
    value: str = Field(sa_type=Text)


class RunRow(Row, table=True):
    """A run."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_started", "experiment_id", "stage", text("started_ms DESC"), "id"),
        Index(
            "ix_runs_deleted", "id", sqlite_where=text("stage = 'deleted'"), postgresql_where=text("stage = 'deleted'")
        ),
    )

    id: str = Field(primary_key=True, sa_type=String(32))
    experiment_id: int = Field(foreign_key="experiments.id")
    name: str = Field(sa_type=Text)
    user_id: str = Field(sa_type=Text)
    status: str
    started_ms: int = Field(sa_type=BigInteger)
    ended_ms: int | None = Field(default=None, sa_type=BigInteger)
    artifact_uri: str = Field(sa_type=Text)
    stage: str = Stage.ACTIVE.value
    deleted_ms: int | None = Field(default=None, sa_type=BigInteger)


class ParamRow(Row, table=True):
    """A parameter of a run; it never changes."""

    __tablename__ = "params"
    __table_args__ = (CLUSTERED,)

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=String(32))
    key: str = Field(primary_key=True, sa_type=String(250))
    value: str = Field(sa_type=Text)


class RunTagRow(Row, table=True):
    """A tag of a run."""

    __tablename__ = "run_tags"
    __table_args__ = (CLUSTERED,)

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=String(32))
    key: str = Field(primary_key=True, sa_type=String(250))
    value: str = Field(sa_type=Text)


class MetricRow(Row, table=True):
    """A point of a metric. NaN, which databases do not agree about, is 0 and ``is_nan``.

    No foreign key, which would be looked up for each of thousands: who writes points holds their run.
    """

    __tablename__ = "metrics"
    __table_args__ = (CLUSTERED,)

    run_id: str = Field(primary_key=True, sa_type=String(32))
    key: str = Field(primary_key=True, sa_type=String(250))
    step: int = Field(primary_key=True, sa_type=BigInteger)
    timestamp_ms: int = Field(primary_key=True, sa_type=BigInteger)
    value: float = Field(primary_key=True, sa_type=Double)
    is_nan: bool = Field(primary_key=True)


class LatestMetricRow(Row, table=True):
    """The latest point of a metric: of the largest step, then time, then value.

    The run's experiment is here too, so that an index has an experiment's best runs in order.
    """

    __tablename__ = "latest_metrics"
    __table_args__ = (Index("ix_latest_metrics_value", "experiment_id", "key", "value", "is_nan"), CLUSTERED)

    run_id: str = Field(primary_key=True, sa_type=String(32))
    key: str = Field(primary_key=True, sa_type=String(250))
    experiment_id: int
    step: int = Field(sa_type=BigInteger)
    timestamp_ms: int = Field(sa_type=BigInteger)
    value: float = Field(sa_type=Double)
    is_nan: bool


class ModelMetricRow(Row, table=True):
    """A point that says which logged model it was measured on."""

    __tablename__ = "model_metrics"
    __table_args__ = (CLUSTERED,)

    model_id: str = Field(primary_key=True, sa_type=String(64))
    run_id: str = Field(primary_key=True, sa_type=String(32))
    key: str = Field(primary_key=True, sa_type=String(250))
    step: int = Field(primary_key=True, sa_type=BigInteger)
    timestamp_ms: int = Field(primary_key=True, sa_type=BigInteger)
    value: float = Field(sa_type=Double)
    is_nan: bool
    dataset_name: str | None = None
    dataset_digest: str | None = None


class DatasetRow(Row, table=True):
    """A dataset that runs of an experiment used; first said, first kept."""

    __tablename__ = "datasets"

    experiment_id: int = Field(primary_key=True, foreign_key="experiments.id")
    name: str = Field(primary_key=True, sa_type=String(500))
    digest: str = Field(primary_key=True, sa_type=String(36))
    source_type: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    schema_: str | None = Field(default=None, sa_type=Text, sa_column_kwargs={"name": "schema"})
    profile: str | None = Field(default=None, sa_type=Text)


class RunDatasetRow(Row, table=True):
    """A run used a dataset. ``context`` is the tag that says what for, such as training."""

    __tablename__ = "run_datasets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["experiment_id", "name", "digest"], ["datasets.experiment_id", "datasets.name", "datasets.digest"]
        ),
    )

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=String(32))
    name: str = Field(primary_key=True, sa_type=String(500))
    digest: str = Field(primary_key=True, sa_type=String(36))
    experiment_id: int
    place: int
    context: str | None = Field(default=None, sa_type=Text)
    tags: dict[str, Any] = Field(sa_type=JSON)


class RunModelRow(Row, table=True):
    """A run used a logged model, or made it."""

    __tablename__ = "run_models"

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=String(32))
    made: bool = Field(primary_key=True)
    model_id: str = Field(primary_key=True, sa_type=String(64))
    step: int = Field(default=0, primary_key=True, sa_type=BigInteger)
    place: int
