"""The files of a run in the store: its spec goes in, its progress and its report come out."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from contracts.jobs import Progress, TrainingReport, TrainingSpec
from everloop import storage
from services.chassis.errors import TransientError
from services.chassis.logs import Log
from services.training.run import Result, Run

SPEC = "spec.json"
PROGRESS = "progress.jsonl"
REPORT = "report.json"

T = TypeVar("T")

log = Log(__name__)


class StoredRunFiles:
    """Files of runs below ``runs/<run id>/`` in the store."""

    def __init__(self, store_uri: str) -> None:
        self._store_uri = store_uri

    def directory(self, run_id: UUID) -> str:
        """Write the URI below which everything of a run lies."""
        return storage.join(self._store_uri, "runs", str(run_id))

    def spec_uri(self, spec: TrainingSpec) -> str:
        """Write the URI of a spec."""
        return storage.join(spec.output_uri, SPEC)

    async def write_spec(self, spec: TrainingSpec) -> str:
        """Store a spec; return its URI."""
        uri = self.spec_uri(spec)
        await _in_thread(lambda: storage.write_bytes(uri, spec.model_dump_json(indent=2).encode()))
        return uri

    async def progress(self, run: Run) -> Progress | None:
        """Read the newest line of progress that is whole; None without any."""
        content = await _in_thread(lambda: _read(storage.join(run.pinned.output_uri, PROGRESS)))
        for line in reversed((content or b"").splitlines()):
            try:
                return Progress.model_validate_json(line)
            except ValidationError:
                continue
        return None

    async def result(self, run: Run) -> Result | None:
        """Read what the run's report says; None without one that can be read and is this run's."""
        uri = storage.join(run.pinned.output_uri, REPORT)
        content = await _in_thread(lambda: _read(uri))
        if content is None:
            return None
        try:
            report = TrainingReport.model_validate_json(content)
        except ValidationError as error:
            log.warning("report cannot be read", run_id=str(run.run_id), faults=error.error_count())
            return None
        if (report.run_id, report.pipeline) != (run.run_id, run.pipeline):
            log.warning("report is another run's", run_id=str(run.run_id), reported=str(report.run_id))
            return None
        return Result(
            report_uri=uri,
            report_digest=storage.digest(content),
            bundle_uri=report.bundle_uri,
            bundle_digest=report.bundle_digest,
            metrics=report.metrics,
        )


def _read(uri: str) -> bytes | None:
    return storage.read_bytes(uri) if storage.exists(uri) else None


async def _in_thread(call: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(call)
    except OSError as error:
        raise TransientError("store_unreachable", detail=str(error)) from error
