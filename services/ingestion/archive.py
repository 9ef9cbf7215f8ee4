"""Files beside the tables, in the store: raw batches, quarantined rows, profiles."""

import asyncio
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.model import PipelineName
from contracts.profile import DatasetProfile
from everloop import storage
from services.chassis.errors import TransientError
from services.ingestion.domain import RawFile
from services.ingestion.quarantine import to_parquet


class StoredArchive:
    """Directories below the store's URI; every file is written whole or not at all."""

    def __init__(self, store_uri: str) -> None:
        self._store_uri = store_uri

    async def keep(self, file: Path) -> RawFile:
        """Copy a file to the address its bytes give it, unless it is there."""
        return await asyncio.to_thread(self._keep, file)

    async def raw(self, raw: RawFile) -> bytes:
        """Read a batch's bytes back and hold them against their digest."""
        return await asyncio.to_thread(_read_verified, raw)

    async def quarantine(self, pipeline: PipelineName, batch_id: UUID, rows: pa.Table) -> str:
        """Write offending rows as Parquet."""
        uri = storage.join(self._store_uri, "quarantine", pipeline, f"{batch_id}.parquet")
        await asyncio.to_thread(lambda: storage.write_bytes(uri, to_parquet(rows)))
        return uri

    async def quarantined(self, uri: str, *, limit: int) -> pa.Table:
        """Read the first rows of a quarantine."""
        return await asyncio.to_thread(_first_rows, uri, limit)

    async def put_profile(self, pipeline: PipelineName, version: int, profile: DatasetProfile) -> str:
        """Write a profile as JSON."""
        uri = storage.join(self._store_uri, "profiles", pipeline, f"{version}.json")
        await asyncio.to_thread(storage.write_bytes, uri, profile.model_dump_json().encode())
        return uri

    async def profile(self, uri: str) -> DatasetProfile:
        """Read a profile back."""
        return DatasetProfile.model_validate_json(await asyncio.to_thread(storage.read_bytes, uri))

    def _keep(self, file: Path) -> RawFile:
        digest = storage.digest_file(file)
        uri = storage.join(self._store_uri, "raw", _hex(digest))
        if not storage.exists(uri):
            storage.put_file(file, uri)
        return RawFile(uri, digest, file.stat().st_size)


def _read_verified(raw: RawFile) -> bytes:
    data = storage.read_bytes(raw.uri)
    if storage.digest(data) != raw.digest:
        raise TransientError("raw_file_damaged", uri=raw.uri, expected=raw.digest, found=storage.digest(data))
    return data


def _first_rows(uri: str, limit: int) -> pa.Table:
    return pq.read_table(pa.BufferReader(storage.read_bytes(uri))).slice(0, limit)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
