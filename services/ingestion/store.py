"""The ports in SQL, on SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, CursorResult, Integer, UniqueConstraint, func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col, desc, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.ingestion import IngestMode
from contracts.pipeline import DatasetContract
from services.chassis.database import JsonDocument, UtcDateTime
from services.ingestion.domain import OPEN_STATES, Batch, BatchState, DatasetVersion

BATCH_DOCUMENT = TypeAdapter(Batch)


class IngestionRow(SQLModel, registry=registry()):
    """Rows of the ingestion service."""


class PipelineRow(IngestionRow, table=True):
    """The contract in force of one pipeline."""

    __tablename__ = "pipelines"

    name: str = Field(primary_key=True)
    contract: dict[str, Any] = Field(sa_type=JsonDocument)


class BatchRow(IngestionRow, table=True):
    """One batch; what is asked for by columns stands beside the whole as a document."""

    __tablename__ = "batches"

    place: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=Integer().with_variant(BigInteger(), "postgresql"),
    )
    batch_id: UUID = Field(unique=True)
    pipeline: str = Field(index=True)
    state: str = Field(index=True)
    document: dict[str, Any] = Field(sa_type=JsonDocument)

    def to_domain(self) -> Batch:
        """Read the batch."""
        return BATCH_DOCUMENT.validate_python(self.document)


class VersionRow(IngestionRow, table=True):
    """One version of a dataset."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("pipeline", "delta_version"),)

    pipeline: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    digest: str
    table_uri: str
    delta_version: int
    mode: str
    batch_id: UUID = Field(unique=True)
    raw_uri: str
    raw_digest: str = Field(index=True)
    new_rows: int = Field(sa_type=BigInteger)
    rows: int = Field(sa_type=BigInteger)
    profile_uri: str
    first_event: datetime = Field(sa_type=UtcDateTime)
    last_event: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    ignored_columns: list[str] = Field(sa_type=JsonDocument)

    def to_domain(self) -> DatasetVersion:
        """Read the version."""
        fields = self.model_dump() | {"mode": IngestMode(self.mode), "ignored_columns": tuple(self.ignored_columns)}
        return DatasetVersion(**fields)


class SqlPipelines:
    """Contracts in force."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def contract(self, pipeline: str) -> DatasetContract | None:
        """Find a pipeline's contract."""
        row = await self._session.get(PipelineRow, pipeline)
        return DatasetContract.model_validate(row.contract) if row else None

    async def put(self, pipeline: str, contract: DatasetContract) -> None:
        """Keep a contract in the place of an earlier one."""
        await self._session.merge(PipelineRow(name=pipeline, contract=contract.model_dump(mode="json")))

    async def names(self) -> Sequence[str]:
        """List pipelines by name."""
        return (await self._session.exec(select(PipelineRow.name).order_by(PipelineRow.name))).all()


class SqlBatches:
    """Batches, numbered in order of arrival."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, batch: Batch) -> None:
        """Insert a batch unless its id is there."""
        dialect = sqlite if self._session.get_bind().dialect.name == "sqlite" else postgresql
        row = {"batch_id": batch.batch_id, "pipeline": batch.pipeline, **_progress(batch)}
        await self._session.exec(
            dialect.insert(BatchRow).values(row).on_conflict_do_nothing(index_elements=["batch_id"])
        )

    async def get(self, batch_id: UUID) -> Batch | None:
        """Get a batch by id."""
        row = (await self._session.exec(select(BatchRow).where(BatchRow.batch_id == batch_id))).first()
        return row.to_domain() if row else None

    async def save(self, batch: Batch, *, was: BatchState) -> bool:
        """Write a batch's progress where its state is still the one it was read in."""
        unmoved = col(BatchRow.batch_id) == batch.batch_id, col(BatchRow.state) == was.value
        result = await self._session.exec(update(BatchRow).where(*unmoved).values(**_progress(batch)))
        return cast("CursorResult[object]", result).rowcount == 1

    async def heads(self) -> Sequence[Batch]:
        """Find the first unfinished batch of each pipeline."""
        unfinished = col(BatchRow.state).in_([state.value for state in OPEN_STATES])
        first = select(func.min(BatchRow.place)).where(unfinished).group_by(col(BatchRow.pipeline))
        rows = await self._session.exec(select(BatchRow).where(col(BatchRow.place).in_(first)).order_by(_PLACE))
        return [row.to_domain() for row in rows]

    async def of(self, pipeline: str, *, state: BatchState | None = None, limit: int) -> Sequence[Batch]:
        """List a pipeline's batches, youngest first."""
        found = select(BatchRow).where(BatchRow.pipeline == pipeline).order_by(desc(_PLACE)).limit(limit)
        if state is not None:
            found = found.where(BatchRow.state == state.value)
        return [row.to_domain() for row in await self._session.exec(found)]


class SqlVersions:
    """Versions of datasets."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, version: DatasetVersion) -> None:
        """Insert a version."""
        fields = {name: getattr(version, name) for name in version.__dataclass_fields__}
        self._session.add(
            VersionRow(**fields | {"mode": version.mode.value, "ignored_columns": list(version.ignored_columns)})
        )
        await self._session.flush()

    async def get(self, pipeline: str, version: int) -> DatasetVersion | None:
        """Get a version by its number."""
        row = await self._session.get(VersionRow, (pipeline, version))
        return row.to_domain() if row else None

    async def all(self, pipeline: str) -> Sequence[DatasetVersion]:
        """List a dataset's versions, oldest first."""
        found = select(VersionRow).where(VersionRow.pipeline == pipeline).order_by(col(VersionRow.version))
        return [row.to_domain() for row in await self._session.exec(found)]


_PLACE = col(BatchRow.place)


def _progress(batch: Batch) -> dict[str, Any]:
    return {"state": batch.state.value, "document": BATCH_DOCUMENT.dump_python(batch, mode="json")}
