"""Tables in memory: one list of commits per pipeline."""

from collections.abc import Sequence
from uuid import UUID

import pyarrow as pa

from contracts.ingestion import IngestMode
from services.chassis.errors import TransientError
from services.ingestion.domain import DatasetVersion
from services.ingestion.ports import TableCommit


class InMemoryLake:
    def __init__(self) -> None:
        self._tables: dict[str, list[tuple[UUID, int, pa.Table]]] = {}

    async def retyped(self, pipeline: str, schema: pa.Schema) -> Sequence[str]:
        held = self._tables[pipeline][-1][2].schema if self._tables.get(pipeline) else schema
        return [
            f"{field.name}: the dataset holds {held.field(field.name).type}, the contract says {field.type}"
            for field in schema
            if field.name in held.names and held.field(field.name).type != field.type
        ]

    async def find(self, pipeline: str, *, batch_id: UUID, version: int) -> TableCommit | None:
        commits = self._tables.get(pipeline, [])
        for place, (written_id, _, _) in enumerate(commits):
            if written_id == batch_id:
                return TableCommit(f"memory://{pipeline}", place)
        if any(written >= version for _, written, _ in commits):
            raise TransientError("version_written_by_another_batch", pipeline=pipeline, version=version)
        return None

    async def write(
        self, pipeline: str, rows: pa.Table, *, mode: IngestMode, batch_id: UUID, version: int
    ) -> TableCommit:
        commits = self._tables.setdefault(pipeline, [])
        if any(written >= version for _, written, _ in commits):
            raise TransientError("table_busy", pipeline=pipeline)
        kept = [commits[-1][2]] if commits and mode is IngestMode.APPEND else []
        commits.append((batch_id, version, pa.concat_tables([*kept, rows], promote_options="default")))
        return TableCommit(f"memory://{pipeline}", len(commits) - 1)

    async def read(self, version: DatasetVersion) -> pa.Table:
        return self._tables[version.pipeline][version.delta_version][2]
