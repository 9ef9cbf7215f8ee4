"""What the registry shows of models, whoever makes their versions."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.gates import AbsoluteGate
from contracts.model import Digest, Uri
from contracts.pipeline import Promotion
from services.chassis.work import Transaction
from services.registry.domain import Alias, Aliases, Decision, VersionState
from services.registry.finding import UNTRACED
from services.registry.models.domain import ModelEntry, VersionEntry
from services.registry.models.judging import measured
from services.registry.models.labels import SERVING
from services.registry.models.ports import NamedModels, NamedVersions


class AliasesView(BaseModel):
    """Where the aliases point."""

    champion: int | None
    challenger: int | None
    previous: int | None

    @classmethod
    def of(cls, aliases: Aliases) -> "AliasesView":
        """Render the aliases."""
        return cls(champion=aliases.champion, challenger=aliases.challenger, previous=aliases.previous)


class ModelView(BaseModel):
    """A model and where its aliases point."""

    name: str
    pipeline: str = Field(description="Its key: on the bus, and where it answers. A pipeline's model is named as it.")
    kind: Literal["pipeline", "logged"] = Field(
        description="Runs of a pipeline make its versions, or clients log them."
    )
    description: str
    registered_at: datetime
    promotion: Promotion | None = Field(default=None, description="Unset: no pipeline makes its versions.")
    gates: tuple[AbsoluteGate, ...] = Field(default=(), description="Declared of a model without a pipeline.")
    aliases: AliasesView


class DecisionView(BaseModel):
    """Who decided, why and when."""

    by: str
    reason: str
    at: datetime


class LoggedView(BaseModel):
    """A version that an MLflow client logged."""

    kind: Literal["logged"] = "logged"
    version: int
    state: VersionState
    aliases: list[Alias]
    source: str
    run_id: str | None = Field(description="The run that made it, as MLflow's clients name runs.")
    model_id: str | None
    bundle_uri: Uri | None = Field(description="What serving loads; unset until it is champion and could be packed.")
    bundle_digest: Digest | None
    serving: str | None = Field(description="How it is served, or why not; unset before it was champion.")
    untold: str = Field(default=UNTRACED, description="What nobody can tell of it.")
    registered_at: datetime
    decision: DecisionView | None
    collected_at: datetime | None = Field(default=None, description="As of any version; its own files are MLflow's.")
    metrics: dict[str, float] = Field(description="What its run and its logged model measured last, by their word.")


def aliases_of(entry: ModelEntry) -> AliasesView:
    """Show where the registry's own aliases point."""
    return AliasesView.of(Aliases(**{alias.value: entry.aliases.get(alias) for alias in Alias}))


async def logged_models(tx: Transaction) -> list[ModelView]:
    """Show the models that no pipeline makes versions of."""
    models = tx.port(NamedModels)
    return [await model_view(entry, tx) for entry in await models.entries(await models.logged())]


async def model_view(entry: ModelEntry, tx: Transaction) -> ModelView:
    """Show a model that no pipeline makes versions of."""
    return ModelView(
        name=entry.name,
        pipeline=entry.pipeline,
        kind="logged",
        description=entry.description or "",
        registered_at=entry.created_at,
        gates=await tx.port(NamedModels).gates(entry.pipeline),
        aliases=aliases_of(entry),
    )


async def logged_versions(pipeline: str, tx: Transaction) -> list[LoggedView]:
    """Show the versions of a model that were only logged, newest first."""
    versions = await tx.port(NamedVersions).of_model(pipeline)
    return [await logged_view(version, tx) for version in versions if not version.is_bundle]


async def logged_view(version: VersionEntry, tx: Transaction) -> LoggedView:
    """Show a version that was only logged."""
    return LoggedView(
        version=version.number,
        state=version.state,
        aliases=[alias for alias in Alias if alias in version.aliases],
        source=version.source,
        run_id=version.run_id,
        model_id=version.model_id,
        bundle_uri=version.bundle_uri,
        bundle_digest=version.bundle_digest,
        serving=version.tags.get(SERVING),
        registered_at=version.created_at,
        decision=decision_view(version.decision) if version.decision else None,
        metrics=await measured(version, tx),
    )


def decision_view(decision: Decision) -> DecisionView:
    """Show who decided, why and when."""
    return DecisionView(by=decision.by, reason=decision.reason, at=decision.at)
