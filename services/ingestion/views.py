"""What people are shown of batches and datasets over HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from contracts.ingestion import IngestMode, Violation
from services.ingestion.comparison import DatasetDiff
from services.ingestion.domain import Batch, BatchState, DatasetVersion


class DatasetView(BaseModel):
    """A dataset and its newest version."""

    pipeline: str
    versions: int
    newest: DatasetVersion | None


class BatchView(BaseModel):
    """How far a batch has come.

    The version is the one it became, or the one that already held its bytes.
    """

    batch_id: UUID
    pipeline: str
    uri: str
    mode: IngestMode
    state: BatchState
    received_at: datetime
    raw_digest: str | None
    size_bytes: int | None
    dataset_version: int | None
    attempts: int
    retry_at: datetime | None
    last_error: str | None

    @classmethod
    def of(cls, batch: Batch) -> "BatchView":
        """Show a batch."""
        return cls(**_progress(batch))


class RejectionView(BatchView):
    """A batch that broke its contract, with every reason."""

    raw_uri: str | None
    violations: tuple[Violation, ...]
    schema_changes: tuple[str, ...]
    quarantine_uri: str | None

    @classmethod
    def of(cls, batch: Batch) -> "RejectionView":
        """Show a rejected batch."""
        assert batch.rejection is not None
        return cls(
            **_progress(batch),
            raw_uri=batch.raw.uri if batch.raw else None,
            violations=batch.rejection.violations,
            schema_changes=batch.rejection.schema_changes,
            quarantine_uri=batch.rejection.quarantine_uri,
        )


class DiffView(BaseModel):
    """What changed from one version to another."""

    pipeline: str
    from_version: int
    to_version: int
    diff: DatasetDiff


def _progress(batch: Batch) -> dict[str, object]:
    shared = (name for name in BatchView.model_fields if hasattr(batch, name))
    return {name: getattr(batch, name) for name in shared} | {
        "raw_digest": batch.raw.digest if batch.raw else None,
        "size_bytes": batch.raw.size_bytes if batch.raw else None,
    }
