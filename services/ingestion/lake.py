"""One Delta Lake table per pipeline. Each commit names its batch, so that a crash never writes it twice."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from contracts.ingestion import IngestMode
from contracts.model import PipelineName
from everloop import storage
from services.chassis.errors import TransientError
from services.ingestion.domain import DatasetVersion
from services.ingestion.ports import TableCommit

APPLICATION = "everloop.ingestion"
"""Delta's application id for our transactions; their number is the dataset version."""

BATCH = "everloop.batch"
CONFIGURATION = {
    # A version must stay readable for as long as a model that was trained on it may be rebuilt.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


class DeltaLake:
    """Tables below one URI."""

    def __init__(self, root_uri: str) -> None:
        self._root_uri = root_uri

    async def retyped(self, pipeline: PipelineName, schema: pa.Schema) -> Sequence[str]:
        """Compare a schema with the table's, where there is a table."""
        return await asyncio.to_thread(self._retyped, pipeline, schema)

    async def find(self, pipeline: PipelineName, *, batch_id: UUID, version: int) -> TableCommit | None:
        """Look into the table's transactions and history."""
        return await asyncio.to_thread(self._find, pipeline, batch_id, version)

    async def write(
        self, pipeline: PipelineName, rows: pa.Table, *, mode: IngestMode, batch_id: UUID, version: int
    ) -> TableCommit:
        """Write in one commit; of two writers of the same version Delta lets one through."""
        return await asyncio.to_thread(self._write, pipeline, rows, mode, batch_id, version)

    async def read(self, version: DatasetVersion) -> pa.Table:
        """Read the table as of the version."""
        return await asyncio.to_thread(_read, version)

    def _uri(self, pipeline: PipelineName) -> str:
        return storage.join(self._root_uri, pipeline)

    def _open(self, pipeline: PipelineName) -> DeltaTable | None:
        uri = self._uri(pipeline)
        return DeltaTable(uri) if DeltaTable.is_deltatable(uri) else None

    def _retyped(self, pipeline: PipelineName, schema: pa.Schema) -> list[str]:
        table = self._open(pipeline)
        if table is None:
            return []
        held = pa.schema(table.schema().to_arrow())
        return [
            f"{field.name}: the dataset holds {held.field(field.name).type}, the contract says {field.type}"
            for field in schema
            if field.name in held.names and held.field(field.name).type != field.type
        ]

    def _find(self, pipeline: PipelineName, batch_id: UUID, version: int) -> TableCommit | None:
        table = self._open(pipeline)
        if table is None or (table.transaction_version(APPLICATION) or 0) < version:
            return None
        for commit in table.history():
            if commit.get(BATCH) == str(batch_id):
                return TableCommit(self._uri(pipeline), int(commit["version"]))
        raise TransientError("version_written_by_another_batch", pipeline=pipeline, version=version)

    def _write(
        self, pipeline: PipelineName, rows: pa.Table, mode: IngestMode, batch_id: UUID, version: int
    ) -> TableCommit:
        replace = mode is IngestMode.REPLACE
        try:
            write_deltalake(
                self._open(pipeline) or self._uri(pipeline),
                rows,
                mode="overwrite" if replace else "append",
                schema_mode="overwrite" if replace else "merge",
                configuration=CONFIGURATION,
                commit_properties=CommitProperties(
                    custom_metadata={BATCH: str(batch_id)}, app_transactions=[Transaction(APPLICATION, version)]
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except CommitFailedError as error:
            raise TransientError("table_busy", pipeline=pipeline, detail=str(error)) from error
        commit = self._find(pipeline, batch_id, version)
        if commit is None:
            raise TransientError("commit_not_visible", pipeline=pipeline, version=version)
        return commit


def _read(version: DatasetVersion) -> pa.Table:
    table = DeltaTable(version.table_uri, version=version.delta_version)
    return table.to_pyarrow_table()
