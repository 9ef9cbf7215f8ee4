"""What serving answers over HTTP about queued inference requests."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from contracts.catalog import decode
from contracts.inference import Explanation, InferenceCompleted, InferenceFailed, Prediction
from services.chassis.errors import RejectedError
from services.serving.inferences.results import Results

router = APIRouter(tags=["inferences"])


class InferenceView(BaseModel):
    """The one result of a request; one that waits, or is older than a week, has none."""

    request_id: UUID
    pipeline: str
    state: Literal["completed", "failed"]
    finished_at: datetime
    version: int | None = None
    predictions: tuple[Prediction, ...] = ()
    explanation: Explanation | None = None
    status: int | None = None
    reason: str | None = None


def _results(request: Request) -> Results:
    return Results(request.app.state.work.bus)


@router.get("/inferences/{request_id}", response_model_exclude_none=True)
async def get_inference(request_id: UUID, results: Annotated[Results, Depends(_results)]) -> InferenceView:
    """Get the result of a request."""
    kept = await results.get(request_id)
    event = decode(kept) if kept else None
    if kept and isinstance(event, InferenceCompleted):
        return InferenceView(
            request_id=request_id,
            pipeline=event.pipeline,
            state="completed",
            finished_at=kept.time,
            version=event.version,
            predictions=event.predictions,
            explanation=event.explanation,
        )
    if kept and isinstance(event, InferenceFailed):
        return InferenceView(
            request_id=request_id,
            pipeline=event.pipeline,
            state="failed",
            finished_at=kept.time,
            status=event.status,
            reason=event.reason,
        )
    raise RejectedError("inference_not_found", request_id=request_id)
