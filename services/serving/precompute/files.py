"""The files of precomputations in the store: a spec goes in, a report comes out."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from contracts.jobs import PredictionReport
from contracts.model import Uri
from everloop import storage
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.serving.precompute.domain import Precomputation

T = TypeVar("T")

log = Log(__name__)


class StoredPredictionFiles:
    """Files below ``precomputed/<pipeline>/``: a Delta table of all, and a folder for each."""

    def __init__(self, store_uri: str) -> None:
        self._store_uri = store_uri

    async def write_spec(self, one: Precomputation) -> Uri:
        """Store what the job is to do; return its URI."""
        spec = one.specify(storage.join(self._store_uri, "precomputed", one.pipeline))
        uri = storage.join(spec.output_uri, "spec.json")
        await _in_thread(lambda: storage.write_bytes(uri, spec.model_dump_json(indent=2).encode()))
        return uri

    async def report(self, one: Precomputation) -> PredictionReport | None:
        """Read what the job left; None without a report that can be read."""
        spec = one.specify(storage.join(self._store_uri, "precomputed", one.pipeline))
        content = await _in_thread(lambda: _read(storage.join(spec.output_uri, "report.json")))
        if content is None:
            return None
        try:
            return PredictionReport.model_validate_json(content)
        except ValidationError as error:
            log.warning("report cannot be read", precomputation_id=str(one.id), faults=error.error_count())
            return None


def _read(uri: Uri) -> bytes | None:
    return storage.read_bytes(uri) if storage.exists(uri) else None


async def _in_thread(call: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise TransientError("store_unreachable", detail=str(error)) from error
