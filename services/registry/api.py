"""What the registry answers over HTTP: the truth about models, and the way to decide about them."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from contracts.bundle import Lineage, Manifest
from contracts.message import Message
from contracts.model import Digest, Uri, VersionNumber
from contracts.registry import (
    ApproveModelVersion,
    GateVerdict,
    Person,
    Reason,
    RejectModelVersion,
    RollBackModel,
)
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.registry.domain import Alias, AliasChange, Aliases, Model, ModelVersion, VersionState, replay
from services.registry.finding import bundle_of, logged_of
from services.registry.keys import key_of
from services.registry.models.domain import ModelEntry
from services.registry.models.ports import NamedModels
from services.registry.ports import AliasHistory, Models, Versions
from services.registry.views import (
    AliasesView,
    DecisionView,
    LoggedView,
    ModelView,
    decision_view,
    logged_models,
    logged_versions,
    logged_view,
    model_view,
)

router = APIRouter(tags=["registry"])


class VersionSummary(BaseModel):
    """One line of a model's versions."""

    version: int
    state: VersionState
    aliases: list[Alias]
    run_id: str
    bundle_uri: Uri
    bundle_digest: Digest
    registered_at: datetime
    decision: DecisionView | None
    collected_at: datetime | None = Field(default=None, description="Set: its files are gone for good since then.")
    metrics: dict[str, float]


class VersionView(VersionSummary):
    """Everything known about a version."""

    lineage: Lineage
    manifest: Manifest
    verdicts: tuple[GateVerdict, ...]
    approvals: list[DecisionView] = []
    approvals_missing: int = Field(default=0, description="Other people who must approve yet.")
    expires_at: datetime | None = Field(default=None, description="When it is rejected, should it wait until then.")
    champion_version: int | None
    champion_metrics: dict[str, float]
    card: str


class AliasChangeView(BaseModel):
    """One line of the history: an alias was pointed at a version, or at none."""

    alias: Alias
    version: int | None
    by: str
    reason: str
    at: datetime


class AliasesWithHistory(AliasesView):
    """Where the aliases point, and every change that led there, oldest first."""

    history: list[AliasChangeView]


class Verdict(BaseModel):
    """A person's word on a version."""

    by: str = Person
    reason: str = Reason


class RollbackRequest(Verdict):
    """A person's wish to have an earlier champion back."""

    to_version: VersionNumber | None = None


class Accepted(BaseModel):
    """The command was taken; its outcome is an event."""

    command: str
    pipeline: str


@router.get("/models")
async def list_models(tx: Tx) -> list[ModelView]:
    """List the models: the pipelines', then those that MLflow's clients registered."""
    made = [await _model_view(model, tx) for model in await tx.port(Models).all()]
    return made + await logged_models(tx)


@router.get("/models/{model}")
async def get_model(model: str, tx: Tx) -> ModelView:
    """Get a model."""
    known = await _known(model, tx)
    return await (_model_view(known, tx) if isinstance(known, Model) else model_view(known, tx))


@router.get("/models/{model}/versions")
async def list_versions(model: str, tx: Tx) -> list[VersionSummary | LoggedView]:
    """List a model's versions, newest first."""
    pipeline = (await _known(model, tx)).pipeline
    aliases = replay(await tx.port(AliasHistory).of_model(pipeline))
    made = [_summary(version, aliases) for version in await tx.port(Versions).of_model(pipeline)]
    return sorted([*made, *await logged_versions(pipeline, tx)], key=lambda one: -one.version)


@router.get("/models/{model}/versions/{version}")
async def get_version(model: str, version: VersionNumber, tx: Tx) -> VersionView | LoggedView:
    """Get a version: its manifest, lineage, verdicts and the decision about it, or what is known of a logged one."""
    if logged := await logged_of(model, version, tx):
        return await logged_view(logged, tx)
    found = await bundle_of(model, version, tx)
    summary = _summary(found, replay(await tx.port(AliasHistory).of_model(model)))
    return VersionView(
        **summary.model_dump(),
        lineage=found.lineage,
        manifest=found.manifest,
        verdicts=found.verdicts,
        approvals=[decision_view(given) for given in found.approvals],
        approvals_missing=found.approvals_missing if found.state is VersionState.AWAITING_APPROVAL else 0,
        expires_at=found.expires_at,
        champion_version=found.report.champion_version,
        champion_metrics=found.report.champion_metrics,
        card=found.card,
    )


@router.get("/models/{model}/aliases")
async def get_aliases(model: str, tx: Tx) -> AliasesWithHistory:
    """Get where the aliases point, with who pointed them there, why and when."""
    history = await tx.port(AliasHistory).of_model((await _known(model, tx)).pipeline)
    shown = [_change_view(change) for change in history]
    return AliasesWithHistory(**AliasesView.of(replay(history)).model_dump(), history=shown)


@router.post("/models/{model}/versions/{version}/approve", status_code=202)
async def approve(model: str, version: VersionNumber, verdict: Verdict, tx: Tx) -> Accepted:
    """Approve a waiting version; with the last approval that is needed, it is promoted."""
    await _version(model, version, tx)
    return _accept(
        ApproveModelVersion(pipeline=model, version=version, approved_by=verdict.by, reason=verdict.reason), tx
    )


@router.post("/models/{model}/versions/{version}/reject", status_code=202)
async def reject(model: str, version: VersionNumber, verdict: Verdict, tx: Tx) -> Accepted:
    """Ask for a waiting version to be refused."""
    await _version(model, version, tx)
    return _accept(
        RejectModelVersion(pipeline=model, version=version, rejected_by=verdict.by, reason=verdict.reason), tx
    )


@router.post("/models/{model}/rollback", status_code=202)
async def roll_back(model: str, wish: RollbackRequest, tx: Tx) -> Accepted:
    """Ask for an earlier champion, or the previous one, to be champion again."""
    pipeline = (await _known(model, tx)).pipeline
    return _accept(
        RollBackModel(pipeline=pipeline, to_version=wish.to_version, requested_by=wish.by, reason=wish.reason), tx
    )


async def _known(name: str, tx: Tx) -> Model | ModelEntry:
    if model := await tx.port(Models).get(name):
        return model
    if entries := await tx.port(NamedModels).entries([key_of(name)]):
        return entries[0]
    raise RejectedError("model_not_found", model=name)


async def _version(pipeline: str, number: int, tx: Tx) -> ModelVersion:
    version = await tx.port(Versions).get(pipeline, number)
    if version is None:
        raise RejectedError("version_not_found", model=pipeline, version=number)
    return version


async def _model_view(model: Model, tx: Tx) -> ModelView:
    return ModelView(
        name=model.pipeline,
        pipeline=model.pipeline,
        kind="pipeline",
        description=model.definition.description,
        registered_at=model.registered_at,
        promotion=model.definition.promotion,
        aliases=AliasesView.of(replay(await tx.port(AliasHistory).of_model(model.pipeline))),
    )


def _summary(version: ModelVersion, aliases: Aliases) -> VersionSummary:
    return VersionSummary(
        version=version.number,
        state=version.state,
        aliases=[alias for alias in Alias if getattr(aliases, alias) == version.number],
        run_id=str(version.run_id),
        bundle_uri=version.bundle_uri,
        bundle_digest=version.bundle_digest,
        registered_at=version.registered_at,
        decision=decision_view(version.decision) if version.decision else None,
        collected_at=version.collected_at,
        metrics=version.report.metrics,
    )


def _change_view(change: AliasChange) -> AliasChangeView:
    said = change.decision
    return AliasChangeView(alias=change.alias, version=change.number, by=said.by, reason=said.reason, at=said.at)


def _accept(command: Message, tx: Tx) -> Accepted:
    tx.say(command)
    return Accepted(command=command.subject, pipeline=command.pipeline)
