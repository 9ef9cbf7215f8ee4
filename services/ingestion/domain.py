"""Batches, the versions they become, and the decisions in between."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from contracts.ingestion import IngestMode, Violation
from contracts.pipeline import DatasetContract
from services.chassis.subscriptions import Cause

MAX_VIOLATIONS = 200
MAX_SCHEMA_CHANGES = 200
UPLOAD_SCHEME = "upload"


class FileFormat(StrEnum):
    """File formats batches come in, told by their ending."""

    PARQUET = "parquet"
    CSV = "csv"
    CSV_GZ = "csv.gz"


ENDINGS = {
    ".parquet": FileFormat.PARQUET,
    ".pq": FileFormat.PARQUET,
    ".csv": FileFormat.CSV,
    ".csv.gz": FileFormat.CSV_GZ,
}


class BatchState(StrEnum):
    """How far a batch has come. The last three are final."""

    RECEIVED = "received"
    STORED = "stored"
    INGESTED = "ingested"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


OPEN_STATES = (BatchState.RECEIVED, BatchState.STORED)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a batch did not become a version."""

    violations: tuple[Violation, ...]
    quarantine_uri: str | None = None
    schema_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawFile:
    """A batch's bytes in the store, under their own digest."""

    uri: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One file on its way into a dataset.

    The contract in force when the batch arrived is kept with it, and freshness is measured at its arrival:
    the same batch gets the same verdict however often a crash makes it be judged again.

    Attributes:
        uri: Where the file was taken from; ``upload:<file name>`` if it was sent over HTTP.
        cause: What asked for it, so that what is said of it joins the same story.
        dataset_version: The version the batch became, or that already held its bytes.
        retry_at: When it is to be tried again after an error; unset: now.
    """

    batch_id: UUID
    pipeline: str
    uri: str
    mode: IngestMode
    contract: DatasetContract
    received_at: datetime
    state: BatchState = BatchState.RECEIVED
    expected_digest: str | None = None
    cause: Cause | None = None
    raw: RawFile | None = None
    dataset_version: int | None = None
    rejection: Rejection | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    last_error: str | None = None

    def stored(self, raw: RawFile) -> "Batch":
        """Say where the bytes are kept."""
        return replace(self, state=BatchState.STORED, raw=raw, attempts=0, retry_at=None, last_error=None)

    def ingested_as(self, version: int) -> "Batch":
        """Say which version the batch became."""
        return replace(self, state=BatchState.INGESTED, dataset_version=version, retry_at=None, last_error=None)

    def duplicate_of(self, version: int) -> "Batch":
        """Say which version already holds these bytes."""
        return replace(self, state=BatchState.DUPLICATE, dataset_version=version, retry_at=None, last_error=None)

    def rejected(self, rejection: Rejection) -> "Batch":
        """Say why the batch did not become a version."""
        return replace(self, state=BatchState.REJECTED, rejection=rejection, retry_at=None, last_error=None)

    def failed(self, error: str, *, now: datetime) -> "Batch":
        """Put the batch off after an error; each time longer, at most five minutes."""
        wait_s = min(300.0, 0.5 * 2 ** min(self.attempts, 12))
        return replace(
            self, attempts=self.attempts + 1, retry_at=now + timedelta(seconds=wait_s), last_error=error[:2000]
        )


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One state of a dataset: the table's rows at one Delta version, and the raw files they came from."""

    pipeline: str
    version: int
    digest: str
    table_uri: str
    delta_version: int
    mode: IngestMode
    batch_id: UUID
    raw_uri: str
    raw_digest: str
    new_rows: int
    rows: int
    profile_uri: str
    first_event: datetime
    last_event: datetime
    created_at: datetime
    ignored_columns: tuple[str, ...] = field(default=())


def format_of(uri: str) -> FileFormat | None:
    """Tell a file's format by its ending; None where the ending says nothing."""
    name = urlsplit(uri).path.lower()
    endings = (file_format for ending, file_format in ENDINGS.items() if name.endswith(ending))
    return next(endings, None)


def chain_digest(previous: str | None, raw_digest: str, mode: IngestMode) -> str:
    """Name a version by the raw files it is made of, in order.

    One file is named by its own digest; appending hashes the digest so far together with the new file's.
    """
    if previous is None or mode is IngestMode.REPLACE:
        return raw_digest
    return f"sha256:{hashlib.sha256(f'{previous} {raw_digest}'.encode()).hexdigest()}"


def current_chain(versions: Sequence[DatasetVersion]) -> tuple[DatasetVersion, ...]:
    """Versions whose batches make up the newest one: from the last replacement on.

    Args:
        versions: All versions of one dataset, oldest first.
    """
    starts = [place for place, version in enumerate(versions) if version.mode is IngestMode.REPLACE]
    return tuple(versions[starts[-1] if starts else 0 :])


def holder_of(raw_digest: str, mode: IngestMode, chain: Sequence[DatasetVersion]) -> DatasetVersion | None:
    """Find the version by which a file's bytes already are in the dataset.

    Appending the same bytes twice adds nothing; replacing changes nothing only where the dataset is that file alone.
    """
    if mode is IngestMode.REPLACE:
        return chain[0] if len(chain) == 1 and chain[0].raw_digest == raw_digest else None
    return next((version for version in chain if version.raw_digest == raw_digest), None)
