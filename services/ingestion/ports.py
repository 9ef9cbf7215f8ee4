"""What ingestion needs from outside."""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from contracts.ingestion import IngestMode
from contracts.model import PipelineName
from contracts.pipeline import DatasetContract
from contracts.profile import DatasetProfile
from services.ingestion.comparison import DatasetDiff
from services.ingestion.domain import Batch, BatchState, DatasetVersion, RawFile


class Pipelines(Protocol):
    """Contracts in force."""

    async def contract(self, pipeline: PipelineName) -> DatasetContract | None:
        """Find what a pipeline expects of its data; None if the pipeline is not known."""
        ...

    async def put(self, pipeline: PipelineName, contract: DatasetContract) -> None:
        """Make a contract known, or replace it."""
        ...

    async def names(self) -> Sequence[PipelineName]:
        """List the known pipelines by name."""
        ...


class Batches(Protocol):
    """Every batch that ever arrived, in order of arrival."""

    async def add(self, batch: Batch) -> None:
        """Keep a new batch as the youngest of its pipeline; one already known by its id stays as it is."""
        ...

    async def get(self, batch_id: UUID) -> Batch | None:
        """Get a batch by id."""
        ...

    async def save(self, batch: Batch, *, was: BatchState) -> bool:
        """Keep a batch's progress.

        Returns:
            False, and nothing is kept, where someone else has moved the batch on since.
        """
        ...

    async def heads(self) -> Sequence[Batch]:
        """Find the oldest unfinished batch of each pipeline: younger ones wait for it."""
        ...

    async def of(self, pipeline: PipelineName, *, state: BatchState | None = None, limit: int) -> Sequence[Batch]:
        """List a pipeline's batches, youngest first."""
        ...


class Versions(Protocol):
    """Versions of every dataset."""

    async def add(self, version: DatasetVersion) -> None:
        """Keep a new version."""
        ...

    async def get(self, pipeline: PipelineName, version: int) -> DatasetVersion | None:
        """Get a version by its number."""
        ...

    async def all(self, pipeline: PipelineName) -> Sequence[DatasetVersion]:
        """List a dataset's versions, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class TableCommit:
    """A batch's rows in the table."""

    table_uri: str
    delta_version: int


class Lake(Protocol):
    """The table of each pipeline."""

    async def retyped(self, pipeline: PipelineName, schema: pa.Schema) -> Sequence[str]:
        """Name the columns the table holds in another type than the schema says, with both types."""
        ...

    async def find(self, pipeline: PipelineName, *, batch_id: UUID, version: int) -> TableCommit | None:
        """Find what an earlier attempt to write a batch as a dataset version has committed.

        Raises:
            TransientError: Another batch has been written as this version; a person must look.
        """
        ...

    async def write(
        self, pipeline: PipelineName, rows: pa.Table, *, mode: IngestMode, batch_id: UUID, version: int
    ) -> TableCommit:
        """Add the rows to the table or put them in the place of its rows, in one commit.

        Raises:
            TransientError: Someone else was writing at the same moment.
        """
        ...

    async def read(self, version: DatasetVersion) -> pa.Table:
        """Read all rows of a version."""
        ...


class Archive(Protocol):
    """Files beside the tables: batches as they came, quarantined rows, profiles."""

    async def keep(self, file: Path) -> RawFile:
        """Keep a local file's bytes under their digest, once."""
        ...

    async def raw(self, raw: RawFile) -> bytes:
        """Read a batch's bytes back.

        Raises:
            TransientError: The bytes are not the ones that were kept.
        """
        ...

    async def quarantine(self, pipeline: PipelineName, batch_id: UUID, rows: pa.Table) -> str:
        """Keep a batch's offending rows and say where."""
        ...

    async def quarantined(self, uri: str, *, limit: int) -> pa.Table:
        """Read the first quarantined rows."""
        ...

    async def put_profile(self, pipeline: PipelineName, version: int, profile: DatasetProfile) -> str:
        """Keep a version's profile and say where."""
        ...

    async def profile(self, uri: str) -> DatasetProfile:
        """Read a profile back."""
        ...


class Sources(Protocol):
    """Where people's files lie."""

    async def fetch(self, uri: str, target: Path) -> None:
        """Copy a file that is to be ingested to a local path.

        Raises:
            RejectedError: It is not there, may not be read, or is too large; trying again would not help.
            TransientError: Its store does not answer.
        """
        ...


class Uploads(Protocol):
    """Files sent over HTTP."""

    async def receive(self, pieces: AsyncIterable[bytes]) -> RawFile:
        """Keep a file that arrives in pieces under its digest."""
        ...


class Differences(Protocol):
    """What changed between versions."""

    async def between(self, before: DatasetVersion, after: DatasetVersion) -> DatasetDiff:
        """Compare two versions of one dataset.

        Raises:
            RejectedError: They are too large to be compared row by row.
        """
        ...
