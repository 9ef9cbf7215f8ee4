"""What is said to and by the ingestion service."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event
from contracts.model import Contract, Digest, Uri, VersionNumber
from contracts.pipeline import ColumnName


class IngestMode(StrEnum):
    """Whether a batch is added to the dataset or takes its place."""

    APPEND = "append"
    REPLACE = "replace"


class Rule(StrEnum):
    """Expectations a batch can break."""

    READABLE = "readable"
    DIGEST = "digest"
    MISSING_COLUMN = "missing_column"
    TYPE = "type"
    NOT_NULL = "not_null"
    NULL_FRACTION = "null_fraction"
    RANGE = "range"
    CATEGORY = "category"
    UNIQUE = "unique"
    MIN_ROWS = "min_rows"
    FRESHNESS = "freshness"


class Violation(Contract):
    """One expectation that a batch broke."""

    rule: Rule
    column: ColumnName | None = None
    rows: int = Field(default=0, ge=0, description="Offending rows; 0 where the batch as a whole offends.")
    detail: str = Field(max_length=500, description="What was expected and what was found.")


class IngestDataset(Command):
    """Take a file of rows into a pipeline's dataset."""

    subject: ClassVar[str] = "commands.ingestion.dataset.ingest.v1"

    uri: Uri = Field(description="A Parquet or CSV file (by its ending, .csv.gz too) that ingestion can read.")
    mode: IngestMode = IngestMode.APPEND
    digest: Digest | None = Field(default=None, description="Refuse the file if its bytes are not these.")


class DatasetIngested(Event):
    """A batch kept its promises; the dataset has a new version."""

    subject: ClassVar[str] = "events.ingestion.dataset.ingested.v1"

    dataset_version: VersionNumber
    dataset_digest: Digest = Field(description="Digest over the raw files this version is made of, in order.")
    table_uri: Uri = Field(description="The Delta Lake table.")
    delta_version: int = Field(ge=0, description="The table's version that holds exactly these rows.")
    mode: IngestMode
    raw_uri: Uri = Field(description="The batch, byte for byte as it came.")
    raw_digest: Digest
    new_rows: int = Field(ge=0, description="Rows of this batch.")
    rows: int = Field(ge=0, description="Rows of the whole version.")
    profile_uri: Uri
    first_event: AwareDatetime = Field(description="Earliest event time in the batch.")
    last_event: AwareDatetime = Field(description="Latest event time in the batch.")


class DatasetRejected(Event):
    """A batch broke its promises; nothing but the quarantine changed."""

    subject: ClassVar[str] = "events.ingestion.dataset.rejected.v1"

    uri: Uri
    raw_uri: Uri | None = Field(default=None, description="The batch as it came; unset if it could not be read.")
    raw_digest: Digest | None = None
    violations: tuple[Violation, ...] = Field(min_length=1, max_length=200)
    quarantine_uri: Uri | None = Field(default=None, description="Offending rows as Parquet, with their reasons.")
    schema_changes: tuple[str, ...] = Field(default=(), description="How the columns differ from the contract.")
