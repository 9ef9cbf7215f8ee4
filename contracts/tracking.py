"""What the registry says about experiments and their runs: enough, in order, to tell their whole state again."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from contracts.message import Event
from contracts.model import Contract
from contracts.registry import ClaimedBy, Person, Reason

ExperimentId = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,18}$"), Field(description="A number, counted by the registry; as text.")
]
RunId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}$"),
    Field(description="32 hexadecimal digits; of one of Everloop's own runs, those of its UUID."),
]
Milliseconds = Annotated[int, Field(description="Since 1970, in UTC.")]


class TagChange(Contract):
    """A tag has another value."""

    key: str
    value: str | None = Field(default=None, description="Unset: it was removed.")
    previous: str | None = Field(default=None, description="Unset: it was not there.")


class MetricPoint(Contract):
    """One measured value."""

    key: str
    value: float | None = Field(default=None, description="Unset: not a number.")
    timestamp_ms: int = Field(description="Since 1970, by the client's clock.")
    step: int = 0
    model_id: str | None = Field(default=None, description="The logged model it was measured on, if one was named.")
    dataset_name: str | None = None
    dataset_digest: str | None = None


class RunState(Contract):
    """What changes of a run while it goes on."""

    name: str
    status: str = Field(description="RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.")
    ended_ms: Milliseconds | None = None


class DatasetUse(Contract):
    """Data that a run used, as its client describes them."""

    name: str
    digest: str
    source_type: str
    source: str
    columns: str | None = Field(default=None, description="Their schema, as the client writes it.")
    profile: str | None = Field(default=None, description="Statistics about them, as the client writes them.")
    tags: dict[str, str] = Field(default_factory=dict, description="What they were used for.")


class ModelMade(Contract):
    """A logged model that a run made."""

    model_id: str
    step: int = 0


class ExperimentCreated(Event):
    """There is a new experiment."""

    subject: ClassVar[str] = "events.registry.experiment.created.v1"

    experiment_id: ExperimentId
    name: str
    artifact_location: str
    tags: dict[str, str] = Field(default_factory=dict)
    at_ms: Milliseconds


class ExperimentRenamed(Event):
    """An experiment has another name. It is spoken of under the pipeline it always was."""

    subject: ClassVar[str] = "events.registry.experiment.renamed.v1"

    experiment_id: ExperimentId
    name: str
    previous_name: str
    at_ms: Milliseconds


class ExperimentDeleted(Event):
    """An experiment was put away, and all its runs with it. Its name stays taken."""

    subject: ClassVar[str] = "events.registry.experiment.deleted.v1"

    experiment_id: ExperimentId
    deleted_by: str | None = ClaimedBy
    at_ms: Milliseconds


class ExperimentRestored(Event):
    """An experiment is in use again, and all its runs with it."""

    subject: ClassVar[str] = "events.registry.experiment.restored.v1"

    experiment_id: ExperimentId
    at_ms: Milliseconds


class ExperimentCollected(Event):
    """A deleted experiment is gone for good. Its name is free again, its number is not."""

    subject: ClassVar[str] = "events.registry.experiment.collected.v1"

    experiment_id: ExperimentId
    name: str
    collected_by: str = Person
    reason: str = Reason
    at_ms: Milliseconds


class ExperimentTagged(Event):
    """Tags of an experiment changed."""

    subject: ClassVar[str] = "events.registry.experiment.tagged.v1"

    experiment_id: ExperimentId
    tags: tuple[TagChange, ...] = Field(min_length=1)


class RunCreated(Event):
    """There is a new run."""

    subject: ClassVar[str] = "events.registry.run.created.v1"

    run_id: RunId
    experiment_id: ExperimentId
    user: str
    state: RunState
    started_ms: Milliseconds
    artifact_uri: str
    tags: dict[str, str] = Field(default_factory=dict)


class RunUpdated(Event):
    """A run ended, or has another name or status."""

    subject: ClassVar[str] = "events.registry.run.updated.v1"

    run_id: RunId
    state: RunState
    previous: RunState


class RunLogged(Event):
    """A run logged parameters, points of metrics or tags, all at once.

    Parameters and points are only ever added: those already there are said again, and change nothing.
    """

    subject: ClassVar[str] = "events.registry.run.logged.v1"

    run_id: RunId
    params: dict[str, str] = Field(default_factory=dict)
    metrics: tuple[MetricPoint, ...] = ()
    tags: tuple[TagChange, ...] = ()


class RunLinked(Event):
    """A run told which data and models it used, or which models it made."""

    subject: ClassVar[str] = "events.registry.run.linked.v1"

    run_id: RunId
    datasets: tuple[DatasetUse, ...] = ()
    models_used: tuple[str, ...] = ()
    models_made: tuple[ModelMade, ...] = ()


class RunDeleted(Event):
    """A run was put away; it can be restored."""

    subject: ClassVar[str] = "events.registry.run.deleted.v1"

    run_id: RunId
    deleted_by: str | None = ClaimedBy
    at_ms: Milliseconds


class RunRestored(Event):
    """A run is in use again."""

    subject: ClassVar[str] = "events.registry.run.restored.v1"

    run_id: RunId
    at_ms: Milliseconds


class RunCollected(Event):
    """A deleted run is gone for good: what it logged, and soon its files."""

    subject: ClassVar[str] = "events.registry.run.collected.v1"

    run_id: RunId
    collected_by: str = Person
    reason: str = Reason
    at_ms: Milliseconds
