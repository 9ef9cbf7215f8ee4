"""Training's tables: a column for what is asked about, a document for the rest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.chassis.database import JsonDocument, UtcDateTime

Document = dict[str, Any]


class TrainingRow(SQLModel, registry=registry()):
    """Rows of training."""


class PipelineRow(TrainingRow, table=True):
    """A pipeline as it is in force."""

    __tablename__ = "pipeline"

    name: str = Field(primary_key=True)
    document: Document = Field(sa_type=JsonDocument)


class RevisionRow(TrainingRow, table=True):
    """A definition and code that once came into force."""

    __tablename__ = "pipeline_revision"

    pipeline: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    document: Document = Field(sa_type=JsonDocument)


class DatasetRow(TrainingRow, table=True):
    """A dataset version."""

    __tablename__ = "dataset"

    pipeline: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    new_rows: int
    document: Document = Field(sa_type=JsonDocument)


class RunRow(TrainingRow, table=True):
    """A training run."""

    __tablename__ = "run"
    __table_args__ = (
        Index(
            "run_one_unfinished",
            "pipeline",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )

    run_id: UUID = Field(primary_key=True)
    pipeline: str = Field(index=True)
    state: str
    kind: str
    as_of: datetime | None = Field(sa_type=UtcDateTime)
    dataset_version: int | None
    labels: int
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
    finished_at: datetime | None = Field(sa_type=UtcDateTime)
    begun_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    compute_s: float = 0.0
    model_version: int | None = None
    outcome: str | None = None
    judged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    document: Document = Field(sa_type=JsonDocument)


class CauseRow(TrainingRow, table=True):
    """A cause and what became of it."""

    __tablename__ = "cause"

    pipeline: str = Field(primary_key=True)
    message_id: str = Field(primary_key=True)
    correlation_id: str = Field(index=True)
    kind: str
    heard_at: datetime = Field(sa_type=UtcDateTime, index=True)
    due: bool = Field(index=True)
    document: Document = Field(sa_type=JsonDocument)
