"""Files beside the tables, in memory."""

import asyncio
from pathlib import Path
from uuid import UUID

import pyarrow as pa

from contracts.profile import DatasetProfile
from everloop import storage
from services.chassis.errors import TransientError
from services.ingestion.domain import RawFile


class InMemoryArchive:
    def __init__(self) -> None:
        self.files: dict[str, object] = {}

    async def keep(self, file: Path) -> RawFile:
        data = await asyncio.to_thread(file.read_bytes)
        digest = storage.digest(data)
        uri = f"memory://raw/{digest.removeprefix('sha256:')}"
        self.files.setdefault(uri, data)
        return RawFile(uri, digest, len(data))

    async def raw(self, raw: RawFile) -> bytes:
        data = self.files[raw.uri]
        assert isinstance(data, bytes)
        if storage.digest(data) != raw.digest:
            raise TransientError("raw_file_damaged", uri=raw.uri)
        return data

    async def quarantine(self, pipeline: str, batch_id: UUID, rows: pa.Table) -> str:
        uri = f"memory://quarantine/{pipeline}/{batch_id}.parquet"
        self.files[uri] = rows
        return uri

    async def quarantined(self, uri: str, *, limit: int) -> pa.Table:
        rows = self.files[uri]
        assert isinstance(rows, pa.Table)
        return rows.slice(0, limit)

    async def put_profile(self, pipeline: str, version: int, profile: DatasetProfile) -> str:
        uri = f"memory://profiles/{pipeline}/{version}.json"
        self.files[uri] = profile
        return uri

    async def profile(self, uri: str) -> DatasetProfile:
        profile = self.files[uri]
        assert isinstance(profile, DatasetProfile)
        return profile
