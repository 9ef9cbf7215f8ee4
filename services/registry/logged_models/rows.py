"""The tables of logged models. Times are milliseconds since 1970."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlmodel import Field

from services.registry.logged_models.domain import LoggedModel, ModelStatus
from services.registry.rows import Row
from services.registry.tracking.domain import Stage
from services.registry.tracking.rows import CLUSTERED

MODEL = String(64)


class LoggedModelRow(Row, table=True):
    """A logged model."""

    __tablename__ = "logged_models"
    __table_args__ = (Index("ix_logged_models_experiment", "experiment_id", "stage", "created_ms", "id"),)

    id: str = Field(primary_key=True, sa_type=MODEL)
    experiment_id: int = Field(foreign_key="experiments.id")
    name: str = Field(sa_type=String(500))
    artifact_uri: str = Field(sa_type=Text)
    created_ms: int = Field(sa_type=BigInteger)
    updated_ms: int = Field(sa_type=BigInteger)
    model_type: str | None = Field(default=None, sa_type=Text)
    source_run_id: str | None = Field(default=None, index=True, sa_type=String(32))
    status: str = ModelStatus.PENDING.value
    stage: str = Stage.ACTIVE.value

    def to_domain(self, pipeline: str) -> LoggedModel:
        """Read the row; ``pipeline`` is its experiment's."""
        return LoggedModel(
            id=self.id,
            experiment_id=str(self.experiment_id),
            pipeline=pipeline,
            name=self.name,
            artifact_uri=self.artifact_uri,
            created_ms=self.created_ms,
            updated_ms=self.updated_ms,
            model_type=self.model_type,
            source_run_id=self.source_run_id,
            status=ModelStatus(self.status),
            stage=Stage(self.stage),
        )


class LoggedModelParamRow(Row, table=True):
    """A parameter of a logged model; it never changes."""

    __tablename__ = "logged_model_params"
    __table_args__ = (CLUSTERED,)

    model_id: str = Field(primary_key=True, foreign_key="logged_models.id", sa_type=MODEL)
    key: str = Field(primary_key=True, sa_type=String(250))
    value: str = Field(sa_type=Text)


class LoggedModelTagRow(Row, table=True):
    """A tag of a logged model."""

    __tablename__ = "logged_model_tags"
    __table_args__ = (CLUSTERED,)

    model_id: str = Field(primary_key=True, foreign_key="logged_models.id", sa_type=MODEL)
    key: str = Field(primary_key=True, sa_type=String(250))
    value: str = Field(sa_type=Text)
