"""Rows of the tiny model that are known before anybody asks, and what ingestion says of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from contracts.ingestion import DatasetIngested, IngestMode
from contracts.pipeline import PipelineDefinition
from contracts.precompute import Precompute
from contracts.training import CodeSnapshot, PipelineRegistered
from everloop.bundle.rows import arrow_schema
from tests.fixtures.bundles import DEFINITION

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = f"sha256:{'0' * 64}"


def registered() -> PipelineRegistered:
    """Say that the tiny model's rows are to be precomputed."""
    definition = PipelineDefinition(**{**dict(DEFINITION), "precompute": Precompute(key=("carrier", "at"), cpus=0.5)})
    code = CodeSnapshot(uri="/nowhere", digest=DIGEST)
    return PipelineRegistered(pipeline=DEFINITION.name, definition=definition, code=code)


def rows(first: int, count: int) -> list[dict[str, Any]]:
    """Make rows, no two of one key."""
    return [
        {
            "x": 0.125 * number,
            "stops": None if number % 3 else number,
            "carrier": "UA" if number % 2 else "DL",
            "at": NOON + timedelta(hours=number),
            "y": None,
        }
        for number in range(first, first + count)
    ]


def key(row: dict[str, Any]) -> list[str]:
    """Write a row's key as JSON has it."""
    return [row["carrier"], row["at"].isoformat()]


def ingest(lake: str, new: list[dict[str, Any]]) -> DatasetIngested:
    """Add rows to the dataset, and give what ingestion says of it."""
    write_deltalake(lake, pa.Table.from_pylist(new, arrow_schema(DEFINITION.dataset)), mode="append")
    table = DeltaTable(lake)
    return DatasetIngested(
        pipeline=DEFINITION.name,
        dataset_version=table.version() + 1,
        dataset_digest=DIGEST,
        table_uri=lake,
        delta_version=table.version(),
        mode=IngestMode.APPEND,
        raw_uri="/raw",
        raw_digest=DIGEST,
        new_rows=len(new),
        rows=table.count(),
        profile_uri="/profile",
        first_event=new[0]["at"],
        last_event=new[-1]["at"],
    )
