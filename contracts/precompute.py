"""Answers computed before anybody asks: when a pipeline wants them, and what serving says of them."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.dataset import Column, ColumnRole, ColumnType, DatasetContract
from contracts.message import Command, Event
from contracts.model import Contract, Digest, Uri, VersionNumber


class Precompute(Contract):
    """Scores every row of the newest dataset version with the version that answers, to be looked up by key."""

    key: tuple[str, ...] = Field(
        default=(), max_length=8, description="Columns that name a row when it is looked up; unset: those that are ids."
    )
    on_promotion: bool = Field(default=True, description="Compute when another version answers.")
    on_dataset: bool = Field(default=True, description="Compute when the dataset has a new version.")
    max_age: timedelta | None = Field(
        default=None, gt=timedelta(0), description="From then on a row is stale and scored anew; unset: never."
    )
    in_process_max_rows: int = Field(
        default=5_000_000, ge=0, description="Up to so many rows one process scores them; above, Ray Data does."
    )
    cpus: float = Field(default=1.0, ge=0, description="CPU slots the job's own process reserves in Ray.")
    timeout_s: float = Field(default=3600, gt=0, description="Longest one attempt may run.")
    max_attempts: int = Field(default=3, ge=1, le=10, description="How often a crashed job is started in all.")

    def key_columns(self, dataset: DatasetContract) -> tuple[Column, ...]:
        """Find the columns that name a row.

        Raises:
            ValueError: There are none, one is not declared, or one has no exact text, as numbers have not.
        """
        declared = {column.name: column for column in dataset.columns}
        if unknown := [name for name in self.key if name not in declared]:
            raise ValueError(f"the key names columns that are not declared: {', '.join(unknown)}")
        ids = [column.name for column in dataset.of_role(ColumnRole.ID)]
        found = tuple(declared[name] for name in self.key or ids)
        if not found:
            raise ValueError("precompute needs a key: give columns the role id, or name them in precompute.key")
        if inexact := [column.name for column in found if column.type is ColumnType.NUMBER]:
            raise ValueError(f"a number is no key: {', '.join(inexact)}")
        return found


class StartPrecomputation(Command):
    """Score the dataset's newest version with the version that answers, because a person says so."""

    subject: ClassVar[str] = "commands.serving.precomputation.start.v1"

    requested_by: str = Field(default="unknown", max_length=200)
    reason: str = Field(default="asked by a person", max_length=1000)


class PrecomputationStarted(Event):
    """A batch prediction was submitted to the cluster, for the first time or again."""

    subject: ClassVar[str] = "events.serving.precomputation.started.v1"

    precomputation_id: UUID
    version: VersionNumber
    dataset_version: VersionNumber
    attempt: int = Field(ge=1)
    requested_by: str
    reason: str = Field(max_length=1000)


class PrecomputationCompleted(Event):
    """Every row of a dataset version is scored; replicas of the version look them up from now on."""

    subject: ClassVar[str] = "events.serving.precomputation.completed.v1"

    precomputation_id: UUID
    version: VersionNumber
    dataset_version: VersionNumber
    table_uri: Uri = Field(description="Delta table with a row per row of the dataset version.")
    delta_version: int = Field(ge=0)
    rows: int = Field(ge=0)
    lookup_uri: Uri
    lookup_digest: Digest
    keys: int = Field(ge=0, description="Rows that can be looked up.")
    duplicates: int = Field(ge=0, description="Rows left out because a row of their key happened later.")
    without_key: int = Field(ge=0, description="Rows left out because part of their key is null.")
    duration_s: float = Field(ge=0, description="Since it was wanted, waiting included.")


class PrecomputationFailure(StrEnum):
    """Why a precomputation ended without a lookup."""

    REFUSED = "refused"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    SUPERSEDED = "superseded"


class PrecomputationFailed(Event):
    """A precomputation ended without a lookup; requests are answered live."""

    subject: ClassVar[str] = "events.serving.precomputation.failed.v1"

    precomputation_id: UUID
    version: VersionNumber | None = Field(default=None, description="Unset where none answers.")
    dataset_version: VersionNumber | None = Field(default=None, description="Unset where there is none.")
    reason: PrecomputationFailure
    detail: str = Field(default="", max_length=4000)
    attempts: int = Field(ge=0)
