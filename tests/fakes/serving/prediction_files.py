"""The files of precomputations in memory, with a job's part played by the test."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from contracts.jobs import Engine, LookupReport, PredictionReport, PredictionSpec
from contracts.model import Uri
from services.chassis.errors import TransientError
from services.serving.precompute.domain import Precomputation
from tests.fakes.serving.examples import DIGEST, NOW


class InMemoryPredictionFiles:
    def __init__(self) -> None:
        self.specs: dict[Uri, PredictionSpec] = {}
        self.reports: dict[UUID, PredictionReport] = {}
        self.table: set[UUID] = set()
        self.reachable = True

    async def write_spec(self, one: Precomputation) -> Uri:
        self._reach()
        uri = f"/store/{one.id}/spec.json"
        self.specs[uri] = one.specify("/store")
        return uri

    async def report(self, one: Precomputation) -> PredictionReport | None:
        self._reach()
        return self.reports.get(one.id)

    async def in_table(self, pipeline: str) -> Collection[UUID]:
        self._reach()
        return self.table

    async def delete(self, one: Precomputation) -> int:
        self._reach()
        return 1000 if self.reports.pop(one.id, None) else 0

    def leave(self, spec: PredictionSpec, *, rows: int | None = None) -> None:
        """Leave what a job with this spec would: a report, and the table's newest version."""
        self.reports[spec.precomputation_id] = report_of(spec, rows=rows)
        self.table = {spec.precomputation_id}

    def _reach(self) -> None:
        if not self.reachable:
            raise TransientError("store_unreachable")


def report_of(spec: PredictionSpec, *, rows: int | None = None) -> PredictionReport:
    """Write what a job leaves that did what its spec says."""
    count = spec.rows or 0 if rows is None else rows
    return PredictionReport(
        precomputation_id=spec.precomputation_id,
        pipeline="flights",
        version=spec.version,
        bundle_digest=spec.bundle_digest,
        dataset=spec.dataset,
        table_uri=spec.table_uri,
        delta_version=3,
        rows=count,
        resumed_rows=0,
        lookup=LookupReport(
            uri=f"{spec.output_uri}/lookup.sqlite",
            digest=DIGEST,
            size_bytes=1000,
            keys=count,
            duplicates=0,
            without_key=0,
        ),
        engine=Engine.IN_PROCESS,
        stages_s={},
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=2),
    )
