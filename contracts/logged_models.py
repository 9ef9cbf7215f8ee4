"""What the registry says about models that MLflow's clients log: enough, in order, to tell their whole state again."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from contracts.message import Event
from contracts.registry import ClaimedBy, Person, Reason
from contracts.tracking import ExperimentId, Milliseconds, RunId, TagChange

ModelId = Annotated[
    str, StringConstraints(pattern=r"^m-[0-9a-f]{32}$"), Field(description="``m-`` and 32 hexadecimal digits.")
]
ModelStatus = Annotated[str, Field(description="PENDING, READY, or FAILED: its files could not be uploaded.")]


class LoggedModelCreated(Event):
    """A client is about to upload a model."""

    subject: ClassVar[str] = "events.registry.logged_model.created.v1"

    model_id: ModelId
    experiment_id: ExperimentId
    name: str
    model_type: str | None = None
    source_run_id: RunId | None = Field(default=None, description="The run that made it.")
    artifact_uri: str
    params: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    at_ms: Milliseconds


class LoggedModelFinalized(Event):
    """A logged model is all there, or never will be."""

    subject: ClassVar[str] = "events.registry.logged_model.finalized.v1"

    model_id: ModelId
    status: ModelStatus
    previous_status: ModelStatus
    at_ms: Milliseconds


class LoggedModelDescribed(Event):
    """A logged model has parameters or tags that it did not have. Parameters are only ever added."""

    subject: ClassVar[str] = "events.registry.logged_model.described.v1"

    model_id: ModelId
    params: dict[str, str] = Field(default_factory=dict)
    tags: tuple[TagChange, ...] = ()


class LoggedModelDeleted(Event):
    """A logged model was put away."""

    subject: ClassVar[str] = "events.registry.logged_model.deleted.v1"

    model_id: ModelId
    deleted_by: str | None = ClaimedBy
    at_ms: Milliseconds


class LoggedModelCollected(Event):
    """A deleted model is gone for good: what is known about it, and soon its files."""

    subject: ClassVar[str] = "events.registry.logged_model.collected.v1"

    model_id: ModelId
    collected_by: str = Person
    reason: str = Reason
    at_ms: Milliseconds
