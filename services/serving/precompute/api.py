"""What serving answers over HTTP about precomputations."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.jobs import LookupReport
from contracts.precompute import PrecomputationFailure
from services.chassis.errors import RejectedError
from services.chassis.http import Tx
from services.serving.precompute.domain import GONE, Precomputation, State
from services.serving.precompute.ports import Precomputations

router = APIRouter(tags=["precompute"])


class PrecomputationView(BaseModel):
    """One batch prediction of one dataset version by one model version."""

    precomputation_id: UUID
    pipeline: str
    version: int
    dataset_version: int
    state: State
    requested_by: str
    reason: str
    requested_at: datetime
    running_since: datetime | None
    finished_at: datetime | None
    attempt: int
    submission_id: str | None
    failure: PrecomputationFailure | None
    detail: str
    rows: int
    resumed_rows: int | None
    engine: str | None
    table_uri: str | None
    delta_version: int | None
    lookup: LookupReport | None
    unneeded_since: datetime | None
    deleted_at: datetime | None


@router.get("/precomputations")
async def list_precomputations(
    tx: Tx, pipeline: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[PrecomputationView]:
    """List precomputations, newest first."""
    return [_view(one) for one in await tx.port(Precomputations).recent(pipeline, limit=limit)]


@router.get("/precomputations/{precomputation_id}")
async def get_precomputation(precomputation_id: UUID, tx: Tx) -> PrecomputationView:
    """Get one precomputation."""
    one = await tx.port(Precomputations).get(precomputation_id)
    if one is None:
        raise RejectedError("precomputation_not_found", precomputation_id=precomputation_id)
    return _view(one)


def _view(one: Precomputation) -> PrecomputationView:
    report = one.report
    left = report if one.state not in GONE else None
    return PrecomputationView(
        precomputation_id=one.id,
        pipeline=one.pipeline,
        version=one.version,
        dataset_version=one.dataset.version,
        state=one.state,
        requested_by=one.requested_by,
        reason=one.reason,
        requested_at=one.requested_at,
        running_since=one.running_since,
        finished_at=one.finished_at,
        attempt=one.attempt,
        submission_id=one.submission_id if one.attempt else None,
        failure=one.failure,
        detail=one.detail,
        rows=one.rows,
        resumed_rows=report.resumed_rows if report else None,
        engine=report.engine if report else None,
        table_uri=left.table_uri if left else None,
        delta_version=left.delta_version if left else None,
        lookup=left.lookup if left else None,
        unneeded_since=one.unneeded_since,
        deleted_at=one.deleted_at,
    )
