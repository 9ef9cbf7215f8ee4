"""What the registry says about models and versions as people name, describe, tag and point at them."""

from typing import ClassVar

from pydantic import AwareDatetime, Field

from contracts.gates import AbsoluteGate
from contracts.message import Command, Event
from contracts.model import Digest, PipelineName, Uri, VersionNumber
from contracts.registry import ClaimedBy, GateVerdict, Person, PromotionKind, Reason

ModelName = Field(min_length=1, max_length=256, description="Any text; the key that messages carry is made of it.")
Of = Field(default=None, description="The version it is about; unset: the model itself.")
At = Field(description="By the registry's clock.")
By = Field(max_length=200, description="A person where one is known, else the protocol that was spoken.")


class ModelCreated(Event):
    """A model has a name, and no version yet. A pipeline's model needs none of this: it is there with the pipeline."""

    subject: ClassVar[str] = "events.registry.model.created.v1"

    name: str = ModelName
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    at: AwareDatetime = At


class ModelRenamed(Event):
    """A model, its versions, tags and aliases have another name and another key; no number changed."""

    subject: ClassVar[str] = "events.registry.model.renamed.v1"

    name: str = ModelName
    previous_name: str = ModelName
    previous_pipeline: PipelineName
    renamed_by: str | None = ClaimedBy
    at: AwareDatetime = At


class ModelDescribed(Event):
    """A model or a version is described in other words."""

    subject: ClassVar[str] = "events.registry.model.described.v1"

    version: VersionNumber | None = Of
    description: str | None = None
    previous_description: str | None = None
    at: AwareDatetime = At


class ModelTagged(Event):
    """A tag of a model or a version has another value, or was removed."""

    subject: ClassVar[str] = "events.registry.model.tagged.v1"

    version: VersionNumber | None = Of
    key: str = Field(max_length=250)
    value: str | None = Field(default=None, description="Unset: removed.")
    previous_value: str | None = Field(default=None, description="Unset: there was none.")
    at: AwareDatetime = At


class ModelDeleted(Event):
    """A model and its versions are gone. The name may be used again; the numbers are not."""

    subject: ClassVar[str] = "events.registry.model.deleted.v1"

    name: str = ModelName
    versions: tuple[VersionNumber, ...] = Field(default=(), description="Those that were still there.")
    deleted_by: str | None = ClaimedBy
    at: AwareDatetime = At


class ModelAliasMoved(Event):
    """An alias points elsewhere, other than by what the registry decided about a pipeline's version.

    Where a version that was only logged became champion, this says what serving loads, or why it can't.
    """

    subject: ClassVar[str] = "events.registry.model.alias_moved.v1"

    alias: str = Field(min_length=1, max_length=255)
    version: VersionNumber | None = Field(default=None, description="Unset: at none.")
    previous_version: VersionNumber | None = Field(default=None, description="Unset: it pointed at none.")
    moved_by: str = By
    reason: str = Field(default="", max_length=1000)
    verdicts: tuple[GateVerdict, ...] = Field(default=(), description="Of the gates that let a logged version through.")
    kind: PromotionKind | None = Field(default=None, description="How a logged version came to be champion.")
    bundle_uri: Uri | None = Field(default=None, description="Of a logged champion: what serving loads.")
    bundle_digest: Digest | None = None
    not_served: str | None = Field(
        default=None,
        max_length=1000,
        description="Why no service can load a logged champion; another may go on answering.",
    )
    retired: bool = Field(default=False, description="The model is deleted, so that nobody answers in its name.")
    at: AwareDatetime = At


class ModelVersionLogged(Event):
    """A client registered what it logged: a version without a bundle, which has passed no gate."""

    subject: ClassVar[str] = "events.registry.version.logged.v1"

    version: VersionNumber
    source: str = Field(description="As the client gave it.")
    location: str = Field(description="Where its files are, once names and ids in the source are resolved.")
    run_id: str | None = Field(default=None, description="The run that made it, as MLflow's clients name runs.")
    run_link: str | None = None
    model_id: str | None = Field(default=None, description="The logged model it is, as MLflow's clients name those.")
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    at: AwareDatetime = At


class ModelVersionArchived(Event):
    """A version that is neither champion nor challenger was put away, or taken out again."""

    subject: ClassVar[str] = "events.registry.version.archived.v1"

    version: VersionNumber
    archived: bool
    previously: bool
    archived_by: str | None = ClaimedBy
    at: AwareDatetime = At


class ModelVersionDeleted(Event):
    """A version is gone. Its number is not given again."""

    subject: ClassVar[str] = "events.registry.version.deleted.v1"

    version: VersionNumber
    location: str = Field(description="Where its files are, until they are collected.")
    aliases: tuple[str, ...] = Field(default=(), description="Those that pointed at it, and now at none.")
    deleted_by: str | None = ClaimedBy
    at: AwareDatetime = At


class DeclareModelGates(Command):
    """Say what a version of a model without a pipeline must pass to be champion."""

    subject: ClassVar[str] = "commands.registry.model.declare_gates.v1"

    gates: tuple[AbsoluteGate, ...] = Field(
        description="Held against what a version's run or logged model measured; none: only a waiver lets it pass."
    )
    declared_by: str = Person
    reason: str = Reason


class ModelGatesDeclared(Event):
    """Versions of a model without a pipeline must pass other gates from now on."""

    subject: ClassVar[str] = "events.registry.model.gates_declared.v1"

    gates: tuple[AbsoluteGate, ...]
    previous_gates: tuple[AbsoluteGate, ...] = ()
    declared_by: str
    reason: str
    at: AwareDatetime = At


class WaiveModelVersionGates(Command):
    """Let a version that was only logged, of a model without a pipeline, be champion though no gate judged it."""

    subject: ClassVar[str] = "commands.registry.version.waive.v1"

    version: VersionNumber
    waived_by: str = Person
    reason: str = Reason


class ModelVersionGatesWaived(Event):
    """A person answers for a version that no gate has judged; it may be champion now."""

    subject: ClassVar[str] = "events.registry.version.gates_waived.v1"

    version: VersionNumber
    waived_by: str
    reason: str
    at: AwareDatetime = At


class ModelVersionCollected(Event):
    """The files of a version that was deleted or refused are gone for good. What was decided about it stays known."""

    subject: ClassVar[str] = "events.registry.version.collected.v1"

    version: VersionNumber
    collected_by: str = Person
    reason: str = Reason
    at: AwareDatetime = At
