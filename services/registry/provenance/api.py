"""Where versions come from, over HTTP."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel

from contracts.archive import VersionRecord
from contracts.bundle import Lineage
from contracts.model import Digest, PipelineName, Uri
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.chassis.work import Transaction, Work
from services.registry.api import AliasChangeView
from services.registry.domain import Alias, ModelVersion, VersionState, replay
from services.registry.finding import bundle_of
from services.registry.mlflow.calls import work_of
from services.registry.ports import AliasHistory
from services.registry.provenance.comparison import VersionDiff, compare
from services.registry.provenance.origins import Origin
from services.registry.provenance.ports import Origins, Papers, Sides
from services.registry.views import DecisionView

MOST_VERSIONS = 200

router = APIRouter(tags=["provenance"])
Number = Annotated[int, Query(ge=1, lt=2**31)]
Identity = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]+$", max_length=100)]


def _work(request: Request) -> Work:
    return work_of(request)


InWork = Annotated[Work, Depends(_work)]


class DescendantView(BaseModel):
    """A version that came from something, and what became of it."""

    origin: Origin
    model: str
    version: int
    state: VersionState
    aliases: list[Alias]
    registered_at: datetime
    bundle_uri: Uri
    bundle_digest: Digest
    lineage: Lineage
    decision: DecisionView | None
    moves: list[AliasChangeView]
    """Every time an alias was pointed at it."""


class DescendantsView(BaseModel):
    """All versions that came from something."""

    identity: str
    versions: list[DescendantView]


@router.get("/models/{model}/diff")
async def diff_versions(
    model: PipelineName,
    work: InWork,
    before: Annotated[Number, Query(alias="from")],
    after: Annotated[Number, Query(alias="to")],
) -> VersionDiff:
    """Say what differs between two versions: parameters, metrics, data, code, environment, definition, gates."""
    async with work.transaction(write=False) as tx:
        one, other = await bundle_of(model, before, tx), await bundle_of(model, after, tx)
        sides = tx.port(Sides)
    # Bundles are read after the transaction: they may lie far away.
    return await asyncio.to_thread(compare, await sides.of(one), await sides.of(other))


@router.get("/models/{model}/versions/{version}/record")
async def get_record(model: PipelineName, version: Annotated[int, Path(ge=1, lt=2**31)], work: InWork) -> VersionRecord:
    """Show what the registry knew that a version was imported from: its number there, its decisions and aliases."""
    async with work.transaction(write=False) as tx:
        found, papers = await bundle_of(model, version, tx), tx.port(Papers)
    record = await papers.record_of(found)
    if record is None:
        raise RejectedError("record_not_found", model=model, version=version, reason="it was not imported")
    return record


@router.get("/lineage/{identity}")
async def list_descendants(identity: Identity, tx: Tx) -> DescendantsView:
    """Find the versions that came from a run, a dataset, code, a commit, an environment or a bundle, by its id."""
    mentions = await tx.port(Origins).mentions(identity, limit=MOST_VERSIONS)
    if not mentions:
        raise RejectedError("lineage_not_found", identity=identity)
    found = [
        await _descendant(mention.origin, await bundle_of(mention.pipeline, mention.number, tx), tx)
        for mention in mentions
    ]
    return DescendantsView(identity=identity, versions=found)


async def _descendant(origin: Origin, version: ModelVersion, tx: Transaction) -> DescendantView:
    history = await tx.port(AliasHistory).of_model(version.pipeline)
    aliases, decided = replay(history), version.decision
    return DescendantView(
        origin=origin,
        model=version.pipeline,
        version=version.number,
        state=version.state,
        aliases=[alias for alias in Alias if getattr(aliases, alias) == version.number],
        registered_at=version.registered_at,
        bundle_uri=version.bundle_uri,
        bundle_digest=version.bundle_digest,
        lineage=version.lineage,
        decision=DecisionView(by=decided.by, reason=decided.reason, at=decided.at) if decided else None,
        moves=[
            AliasChangeView(
                alias=move.alias,
                version=move.number,
                by=move.decision.by,
                reason=move.decision.reason,
                at=move.decision.at,
            )
            for move in history
            if move.number == version.number
        ],
    )
