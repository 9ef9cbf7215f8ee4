"""A small dataset of parcels: when each was sent, what it weighed, whether it arrived late."""

import gzip
import io
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from contracts.ingestion import IngestMode
from contracts.pipeline import (
    AbsoluteGate,
    Column,
    ColumnRole,
    ColumnType,
    DatasetContract,
    PipelineDefinition,
    Promotion,
    Trainer,
    TrainerName,
)
from services.chassis.subscriptions import Cause
from services.ingestion.domain import Batch, BatchState, DatasetVersion, RawFile

PIPELINE = "parcels"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = datetime(2026, 2, 1, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def contract(**changes: object) -> DatasetContract:
    return DatasetContract(
        columns=(
            Column(name="parcel", type=ColumnType.INTEGER, role=ColumnRole.ID),
            Column(name="sent_at", type=ColumnType.TIMESTAMP, role=ColumnRole.EVENT_TIME),
            Column(name="weight_kg", type=ColumnType.NUMBER, nullable=True, minimum=0, maximum=50),
            Column(name="carrier", type=ColumnType.STRING, categories=("air", "road", "sea")),
            Column(name="late", type=ColumnType.BOOLEAN, role=ColumnRole.LABEL, nullable=True),
        ),
        unique=("parcel",),
    ).model_copy(update=changes)


def definition(pipeline: str = PIPELINE, dataset: DatasetContract | None = None) -> PipelineDefinition:
    return PipelineDefinition(
        name=pipeline,
        dataset=dataset or contract(),
        trainer=Trainer(name=TrainerName.LIGHTGBM),
        promotion=Promotion(gates=(AbsoluteGate(metric="auc", at_least=0.5),)),
    )


def rows(count: int = 6, *, first: int = 0, **columns: object) -> pa.Table:
    """Rows that keep the contract, but for the columns that are given."""
    places = range(first, first + count)
    table = {
        "parcel": pa.array(places, pa.int64()),
        "sent_at": pa.array([START + timedelta(hours=place) for place in places], pa.timestamp("us", tz="UTC")),
        "weight_kg": pa.array([0.5 + place % 7 for place in places], pa.float64()),
        "carrier": pa.array([("air", "road", "sea")[place % 3] for place in places]),
        "late": pa.array([place % 2 == 0 for place in places]),
    }
    return pa.table(table | columns)


def parquet(table: pa.Table | None = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows() if table is None else table, sink)
    return sink.getvalue()


def csv(table: pa.Table | None = None) -> bytes:
    sink = io.BytesIO()
    pa.csv.write_csv(rows() if table is None else table, sink)
    return sink.getvalue()


def csv_gz(table: pa.Table | None = None) -> bytes:
    return gzip.compress(csv(table), mtime=0)


def cause(message_id: str = "m-1") -> Cause:
    return Cause(message_id=message_id, correlation_id=message_id, said_at=NOW, received_at=NOW)


def batch(uri: str = "/data/parcels.parquet", *, batch_id: UUID | None = None, **changes: object) -> Batch:
    fields: dict[str, object] = {
        "batch_id": batch_id or uuid4(),
        "pipeline": PIPELINE,
        "uri": uri,
        "mode": IngestMode.APPEND,
        "contract": contract(),
        "received_at": NOW,
        "state": BatchState.RECEIVED,
        "cause": cause(),
    }
    return Batch(**(fields | changes))  # type: ignore[arg-type]


def raw_file(digest: str = DIGEST) -> RawFile:
    return RawFile(f"/store/raw/{digest.removeprefix('sha256:')}", digest, 100)


def version(number: int = 1, **changes: object) -> DatasetVersion:
    fields: dict[str, object] = {
        "pipeline": PIPELINE,
        "version": number,
        "digest": DIGEST,
        "table_uri": "/store/lake/parcels",
        "delta_version": number - 1,
        "mode": IngestMode.APPEND,
        "batch_id": uuid4(),
        "raw_uri": raw_file().uri,
        "raw_digest": DIGEST,
        "new_rows": 6,
        "rows": 6 * number,
        "profile_uri": f"/store/profiles/parcels/{number}.json",
        "first_event": START,
        "last_event": START + timedelta(hours=5),
        "created_at": NOW,
    }
    return DatasetVersion(**(fields | changes))  # type: ignore[arg-type]
