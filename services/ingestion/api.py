"""What ingestion answers over HTTP: uploads, and the truth about datasets."""

from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.datastructures import UploadFile

from contracts.ingestion import IngestMode
from contracts.message import utc_now
from contracts.model import PipelineName
from contracts.pipeline import DatasetContract
from contracts.profile import DatasetProfile
from services.chassis.errors import RejectedError, TransientError
from services.chassis.http import Tx
from services.chassis.subscriptions import Cause
from services.chassis.telemetry import current_traceparent
from services.chassis.work import Transaction, Work
from services.ingestion.domain import ENDINGS, UPLOAD_SCHEME, Batch, BatchState, DatasetVersion, RawFile, format_of
from services.ingestion.ports import Archive, Batches, Differences, Pipelines, Uploads, Versions
from services.ingestion.quarantine import readable
from services.ingestion.views import BatchView, DatasetView, DiffView, RejectionView

PIECE_BYTES = 1 << 20
MEDIA_ENDINGS = {"text/csv": ".csv", "application/vnd.apache.parquet": ".parquet"}
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}

router = APIRouter(tags=["datasets"], prefix="/datasets")


def _work(request: Request) -> Work:
    work: Work | None = getattr(request.app.state, "work", None)
    if work is None:
        raise TransientError("service_starting")
    return work


InWork = Annotated[Work, Depends(_work)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.post("/{pipeline}", status_code=202, openapi_extra=UPLOAD_BODY)
async def upload(
    pipeline: PipelineName,
    request: Request,
    work: InWork,
    mode: IngestMode = IngestMode.APPEND,
    name: Annotated[str | None, Query(description="File name; its ending tells the format.")] = None,
) -> BatchView:
    """Take a Parquet or CSV file into a dataset: as the whole body, or as the part ``file`` of a form.

    The bytes are safe once this answers; whether they keep their contract is told by the batch, and as an event.
    """
    # No transaction is open while bytes arrive: SQLite has one writer.
    async with work.transaction(write=False) as transaction:
        contract = await _contract(transaction, pipeline)
        uploads = transaction.port(Uploads)
    uri, raw = await _receive(request, uploads, name)
    batch_id, now = uuid4(), utc_now()
    batch = Batch(
        batch_id=batch_id,
        pipeline=pipeline,
        uri=uri,
        mode=mode,
        contract=contract,
        received_at=now,
        state=BatchState.STORED,
        cause=Cause(str(batch_id), str(batch_id), now, now, current_traceparent()),
        raw=raw,
    )
    async with work.transaction() as transaction:
        await transaction.port(Batches).add(batch)
    return BatchView.of(batch)


@router.get("")
async def list_datasets(tx: Tx) -> list[DatasetView]:
    """List the datasets of all known pipelines."""
    datasets = [(name, await tx.port(Versions).all(name)) for name in await tx.port(Pipelines).names()]
    return [
        DatasetView(pipeline=name, versions=len(versions), newest=versions[-1] if versions else None)
        for name, versions in datasets
    ]


@router.get("/{pipeline}/versions")
async def list_versions(pipeline: PipelineName, tx: Tx) -> list[DatasetVersion]:
    """List a dataset's versions, newest first."""
    await _contract(tx, pipeline)
    return list(reversed(await tx.port(Versions).all(pipeline)))


@router.get("/{pipeline}/versions/{version}")
async def get_version(pipeline: PipelineName, version: int, tx: Tx) -> DatasetVersion:
    """Show a version: its table, its digest, the batch it came from."""
    return await _version(tx, pipeline, version)


@router.get("/{pipeline}/versions/{version}/profile")
async def get_profile(pipeline: PipelineName, version: int, tx: Tx) -> DatasetProfile:
    """Show what the batch of a version looked like, column by column."""
    found = await _version(tx, pipeline, version)
    return await tx.port(Archive).profile(found.profile_uri)


@router.get("/{pipeline}/diff")
async def diff_versions(
    pipeline: PipelineName,
    work: InWork,
    before: Annotated[int, Query(alias="from", ge=1)],
    after: Annotated[int, Query(alias="to", ge=1)],
) -> DiffView:
    """Show what changed from one version to another: rows, columns, and how far each column's values moved."""
    async with work.transaction(write=False) as transaction:
        versions = await _version(transaction, pipeline, before), await _version(transaction, pipeline, after)
        differences = transaction.port(Differences)
    diff = await differences.between(*versions)
    return DiffView(pipeline=pipeline, from_version=before, to_version=after, diff=diff)


@router.get("/{pipeline}/batches")
async def list_batches(pipeline: PipelineName, tx: Tx, limit: Limit = 100) -> list[BatchView]:
    """List the batches that arrived, youngest first."""
    await _contract(tx, pipeline)
    return [BatchView.of(batch) for batch in await tx.port(Batches).of(pipeline, limit=limit)]


@router.get("/{pipeline}/batches/{batch_id}")
async def get_batch(pipeline: PipelineName, batch_id: UUID, tx: Tx) -> BatchView:
    """Show how far a batch has come."""
    return BatchView.of(await _batch(tx, pipeline, batch_id))


@router.get("/{pipeline}/rejections")
async def list_rejections(pipeline: PipelineName, tx: Tx, limit: Limit = 100) -> list[RejectionView]:
    """List the batches that broke their contract, youngest first."""
    await _contract(tx, pipeline)
    rejected = await tx.port(Batches).of(pipeline, state=BatchState.REJECTED, limit=limit)
    return [RejectionView.of(batch) for batch in rejected]


@router.get("/{pipeline}/rejections/{batch_id}")
async def get_rejection(pipeline: PipelineName, batch_id: UUID, tx: Tx) -> RejectionView:
    """Show every reason why a batch was rejected."""
    return RejectionView.of(await _rejected(tx, pipeline, batch_id))


@router.get("/{pipeline}/rejections/{batch_id}/rows")
async def get_quarantined_rows(pipeline: PipelineName, batch_id: UUID, tx: Tx, limit: Limit = 100) -> Response:
    """Show offending rows as they came, each with its place in the file and its reasons."""
    batch = await _rejected(tx, pipeline, batch_id)
    if batch.rejection is None or batch.rejection.quarantine_uri is None:
        return Response(b"[]", media_type="application/json")
    rows = await tx.port(Archive).quarantined(batch.rejection.quarantine_uri, limit=limit)
    return Response(orjson.dumps(readable(rows), default=str), media_type="application/json")


async def _receive(request: Request, uploads: Uploads, name: str | None) -> tuple[str, RawFile]:
    """Keep the file a request carries; name it by its own words."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        return _uri(name or f"upload{MEDIA_ENDINGS.get(media_type, '')}"), await uploads.receive(request.stream())
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RejectedError("upload_without_file", field="file", expected="a form with a file in the part 'file'")
        return _uri(name or file.filename or "upload"), await uploads.receive(_pieces(file))


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE_BYTES):
        yield piece


def _uri(name: str) -> str:
    uri = f"{UPLOAD_SCHEME}:{quote(PurePosixPath(name).name[-200:])}"
    if format_of(uri) is None:
        raise RejectedError("file_format_unknown", field="name", name=name[:200], known=", ".join(ENDINGS))
    return uri


async def _contract(tx: Transaction, pipeline: PipelineName) -> DatasetContract:
    contract = await tx.port(Pipelines).contract(pipeline)
    if contract is None:
        raise RejectedError("pipeline_not_found", pipeline=pipeline)
    return contract


async def _version(tx: Transaction, pipeline: PipelineName, version: int) -> DatasetVersion:
    found = await tx.port(Versions).get(pipeline, version)
    if found is None:
        raise RejectedError("dataset_version_not_found", pipeline=pipeline, version=version)
    return found


async def _batch(tx: Transaction, pipeline: PipelineName, batch_id: UUID) -> Batch:
    batch = await tx.port(Batches).get(batch_id)
    if batch is None or batch.pipeline != pipeline:
        raise RejectedError("batch_not_found", pipeline=pipeline, batch_id=batch_id)
    return batch


async def _rejected(tx: Transaction, pipeline: PipelineName, batch_id: UUID) -> Batch:
    batch = await _batch(tx, pipeline, batch_id)
    if batch.state is not BatchState.REJECTED:
        raise RejectedError("rejection_not_found", pipeline=pipeline, batch_id=batch_id, state=batch.state.value)
    return batch
