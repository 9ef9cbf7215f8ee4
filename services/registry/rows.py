"""The registry's tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKeyConstraint, Index, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from contracts.bundle import Manifest
from contracts.catalog import BY_TYPE
from contracts.jobs import TrainingReport
from contracts.pipeline import PipelineDefinition
from contracts.registry import GateVerdict
from services.chassis.database import UtcDateTime
from services.chassis.subscriptions import Cause
from services.registry.domain import Alias, AliasChange, Decision, Inspection, Model, ModelVersion, VersionState

OPTIONAL_JSON = JSON(none_as_null=True)


class Row(SQLModel, registry=registry()):
    """Rows of the registry."""


class ModelRow(Row, table=True):
    """A model. ``turn`` counts decisions; moving it is what holds the model.

    A deleted one stays, for its numbers must not be given again; ``definition`` is empty where no pipeline is.
    """

    __tablename__ = "models"

    pipeline: str = Field(primary_key=True)
    name: str = Field(sa_type=Text)
    is_pipeline: bool = False
    definition: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    description: str | None = Field(default=None, sa_type=Text)
    registered_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_number: int = 0
    turn: int = 0

    def to_domain(self) -> Model:
        """Read the row."""
        definition = PipelineDefinition.model_validate(self.definition)
        return Model(self.pipeline, definition, self.registered_at, self.last_number)


class VersionRow(Row, table=True):
    """A version: what a pipeline's run left, or what an MLflow client logged, which has no report, and a bundle only
    once it became champion and could be packed.

    ``run_id`` is unique: one run of a pipeline becomes at most one version, and what was logged has none.
    ``source_run_id`` is the run in MLflow's words, and many versions may come from it. A deleted version stays, so that
    its number is known to be taken.
    """

    __tablename__ = "versions"
    __table_args__ = (
        ForeignKeyConstraint(["pipeline"], ["models.pipeline"]),
        Index("ix_versions_location", "location", postgresql_using="hash"),  # a URI may be too long for a tree
    )

    pipeline: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    run_id: UUID | None = Field(default=None, unique=True)
    bundle_uri: str | None = None
    bundle_digest: str | None = None
    manifest: dict[str, Any] | None = Field(default=None, sa_type=OPTIONAL_JSON)
    report: dict[str, Any] | None = Field(default=None, sa_type=OPTIONAL_JSON)
    card: str | None = Field(default=None, sa_type=Text)
    verdicts: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    source: str = Field(sa_type=Text)
    location: str = Field(sa_type=Text)
    source_run_id: str | None = Field(default=None, index=True)
    run_link: str | None = Field(default=None, sa_type=Text)
    model_id: str | None = Field(default=None, index=True)
    description: str | None = Field(default=None, sa_type=Text)
    registered_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    archived: bool = False
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    state: str
    decided_by: str | None = None
    decision_reason: str | None = Field(default=None, sa_type=Text)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    approvals: list[dict[str, str]] = Field(default_factory=list, sa_type=JSON)
    approvals_needed: int = 1
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    collected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    def to_domain(self) -> ModelVersion:
        """Read the row of a bundle."""
        assert self.bundle_uri is not None
        assert self.bundle_digest is not None
        return ModelVersion(
            pipeline=self.pipeline,
            number=self.number,
            bundle_uri=self.bundle_uri,
            bundle_digest=self.bundle_digest,
            manifest=Manifest.model_validate(self.manifest),
            report=TrainingReport.model_validate(self.report),
            card=self.card or "",
            verdicts=tuple(GateVerdict.model_validate(verdict) for verdict in self.verdicts),
            registered_at=self.registered_at,
            state=VersionState(self.state),
            decision=Decision(self.decided_by, self.decision_reason or "", self.decided_at)
            if self.decided_by and self.decided_at
            else None,
            approvals=tuple(
                Decision(given["by"], given["reason"], datetime.fromisoformat(given["at"])) for given in self.approvals
            ),
            approvals_needed=self.approvals_needed,
            expires_at=self.expires_at,
            collected_at=self.collected_at,
        )

    def decide(self, version: ModelVersion) -> None:
        """Take over what can change of a version."""
        self.state = version.state.value
        self.approvals = [
            {"by": given.by, "reason": given.reason, "at": given.at.isoformat()} for given in version.approvals
        ]
        if version.decision:
            self.updated_at = version.decision.at
            self.decided_by = version.decision.by
            self.decision_reason = version.decision.reason
            self.decided_at = version.decision.at


class AliasChangeRow(Row, table=True):
    """One change of an alias; its place in the history is part of its key."""

    __tablename__ = "alias_changes"
    __table_args__ = (ForeignKeyConstraint(["pipeline"], ["models.pipeline"]),)

    pipeline: str = Field(primary_key=True)
    place: int = Field(primary_key=True)
    alias: str
    number: int | None = None
    changed_by: str
    reason: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_type=UtcDateTime)

    def to_domain(self) -> AliasChange:
        """Read the row."""
        return AliasChange(Alias(self.alias), self.number, Decision(self.changed_by, self.reason, self.changed_at))


class InspectionRow(Row, table=True):
    """A message waiting for its bundle to be read; kept when closed, so that its key stays known."""

    __tablename__ = "inspections"

    key: str = Field(primary_key=True)
    type: str
    message: dict[str, Any] = Field(sa_type=JSON)
    message_id: str
    correlation_id: str
    said_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    traceparent: str | None = None
    due_at: datetime = Field(sa_type=UtcDateTime, index=True)
    attempts: int = 0
    outcome: str | None = Field(default=None, sa_type=Text)

    def to_domain(self) -> Inspection:
        """Read the row."""
        cause = Cause(self.message_id, self.correlation_id, self.said_at, self.received_at, self.traceparent)
        message = BY_TYPE[self.type].model_validate(self.message)
        return Inspection(self.key, message, cause, self.due_at, self.attempts)
