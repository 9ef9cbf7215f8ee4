"""The files of precomputations in the store: a spec goes in, a report comes out."""

import asyncio
import re
from collections.abc import Callable, Collection
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from contracts.jobs import PredictionReport, PredictionSpec
from contracts.model import Uri
from everloop import storage
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.serving.precompute.domain import Precomputation

T = TypeVar("T")
MADE_BY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-")

log = Log(__name__)


class StoredPredictionFiles:
    """Files below ``precomputed/<pipeline>/``: a Delta table of all, and a folder for each."""

    def __init__(self, store_uri: str) -> None:
        self._store_uri = store_uri

    async def write_spec(self, one: Precomputation) -> Uri:
        """Store what the job is to do; return its URI."""
        spec = self._spec(one)
        uri = storage.join(spec.output_uri, "spec.json")
        await _in_thread(lambda: storage.write_bytes(uri, spec.model_dump_json(indent=2).encode()))
        return uri

    async def report(self, one: Precomputation) -> PredictionReport | None:
        """Read what the job left; None without a report that can be read."""
        spec = self._spec(one)
        content = await _in_thread(lambda: _read(storage.join(spec.output_uri, "report.json")))
        if content is None:
            return None
        try:
            return PredictionReport.model_validate_json(content)
        except ValidationError as error:
            log.warning("report cannot be read", precomputation_id=str(one.id), faults=error.error_count())
            return None

    async def in_table(self, pipeline: str) -> Collection[UUID]:
        """Tell of which precomputations the newest version of a model's table holds rows."""
        return await _in_thread(lambda: _in_table(storage.join(self._folder(pipeline), "table")))

    async def delete(self, one: Precomputation) -> int:
        """Delete what one left, as far as it is there; return how many bytes that were."""
        spec = self._spec(one)
        return await _in_thread(lambda: _delete(spec))

    def _spec(self, one: Precomputation) -> PredictionSpec:
        return one.specify(self._folder(one.pipeline))

    def _folder(self, pipeline: str) -> Uri:
        return storage.join(self._store_uri, "precomputed", pipeline)


def _in_table(uri: Uri) -> frozenset[UUID]:
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(uri):
        return frozenset()
    # Whoever puts the table's rows together, as the maker of Delta Lake advises, names files otherwise.
    named = (MADE_BY.match(storage.name(file)) for file in DeltaTable(uri).file_uris())
    return frozenset(UUID(found[1]) for found in named if found)


def _delete(spec: PredictionSpec) -> int:
    parts = [
        (storage.join(spec.table_uri, file.name), file.size_bytes or 0)
        for file in storage.entries(spec.table_uri)
        if file.name.startswith(f"{spec.precomputation_id}-")
    ]
    freed = sum(size for _, size in parts) + sum(file.size_bytes or 0 for file in storage.entries(spec.output_uri))
    for uri in (*(uri for uri, _ in parts), spec.output_uri):
        if storage.exists(uri):
            storage.delete(uri)
    return freed


def _read(uri: Uri) -> bytes | None:
    return storage.read_bytes(uri) if storage.exists(uri) else None


async def _in_thread(call: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise TransientError("store_unreachable", detail=str(error)) from error
