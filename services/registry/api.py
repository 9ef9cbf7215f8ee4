"""What the registry answers over HTTP: the truth about models, and the way to decide about them."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from contracts.bundle import Lineage, Manifest
from contracts.message import Message
from contracts.model import Digest, Uri, VersionNumber
from contracts.pipeline import Promotion
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
from services.registry.domain import Alias, AliasChange, Aliases, Decision, Model, ModelVersion, VersionState, replay
from services.registry.finding import bundle_of
from services.registry.ports import AliasHistory, Models, Versions

router = APIRouter(tags=["registry"])


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
    description: str
    registered_at: datetime
    promotion: Promotion
    aliases: AliasesView


class DecisionView(BaseModel):
    """Who decided, why and when."""

    by: str
    reason: str
    at: datetime


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
    """List the models."""
    return [await _model_view(model, tx) for model in await tx.port(Models).all()]


@router.get("/models/{model}")
async def get_model(model: str, tx: Tx) -> ModelView:
    """Get a model."""
    return await _model_view(await _known(model, tx), tx)


@router.get("/models/{model}/versions")
async def list_versions(model: str, tx: Tx) -> list[VersionSummary]:
    """List a model's versions, newest first."""
    await _known(model, tx)
    aliases = replay(await tx.port(AliasHistory).of_model(model))
    return [_summary(version, aliases) for version in await tx.port(Versions).of_model(model)]


@router.get("/models/{model}/versions/{version}")
async def get_version(model: str, version: VersionNumber, tx: Tx) -> VersionView:
    """Get a version: its manifest, lineage, verdicts and the decision about it."""
    found = await bundle_of(model, version, tx)
    summary = _summary(found, replay(await tx.port(AliasHistory).of_model(model)))
    return VersionView(
        **summary.model_dump(),
        lineage=found.lineage,
        manifest=found.manifest,
        verdicts=found.verdicts,
        approvals=[_decision_view(given) for given in found.approvals],
        approvals_missing=found.approvals_missing if found.state is VersionState.AWAITING_APPROVAL else 0,
        expires_at=found.expires_at,
        champion_version=found.report.champion_version,
        champion_metrics=found.report.champion_metrics,
        card=found.card,
    )


@router.get("/models/{model}/aliases")
async def get_aliases(model: str, tx: Tx) -> AliasesWithHistory:
    """Get where the aliases point, with who pointed them there, why and when."""
    await _known(model, tx)
    history = await tx.port(AliasHistory).of_model(model)
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
    await _known(model, tx)
    return _accept(
        RollBackModel(pipeline=model, to_version=wish.to_version, requested_by=wish.by, reason=wish.reason), tx
    )


async def _known(pipeline: str, tx: Tx) -> Model:
    model = await tx.port(Models).get(pipeline)
    if model is None:
        raise RejectedError("model_not_found", model=pipeline)
    return model


async def _version(pipeline: str, number: int, tx: Tx) -> ModelVersion:
    version = await tx.port(Versions).get(pipeline, number)
    if version is None:
        raise RejectedError("version_not_found", model=pipeline, version=number)
    return version


async def _model_view(model: Model, tx: Tx) -> ModelView:
    return ModelView(
        name=model.pipeline,
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
        decision=_decision_view(version.decision) if version.decision else None,
        collected_at=version.collected_at,
        metrics=version.report.metrics,
    )


def _decision_view(decision: Decision) -> DecisionView:
    return DecisionView(by=decision.by, reason=decision.reason, at=decision.at)


def _change_view(change: AliasChange) -> AliasChangeView:
    said = change.decision
    return AliasChangeView(alias=change.alias, version=change.number, by=said.by, reason=said.reason, at=said.at)


def _accept(command: Message, tx: Tx) -> Accepted:
    tx.say(command)
    return Accepted(command=command.subject, pipeline=command.pipeline)
