"""The registry's state in SQL, read table by table: a new table is part of the digest without anyone adding it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, and_, exists, or_, select, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.domain import Alias, Decision, VersionState
from services.registry.past.asof import OtherMove, VersionLife
from services.registry.past.domain import Part, StateDigest, digest_of_row, part_of
from services.registry.rows import AliasChangeRow, ModelRow, Row, VersionRow
from services.registry.tracking.domain import Experiment
from services.registry.tracking.rows import ExperimentRow, ExperimentTagRow
from services.registry.tracking.store import number_of

AT_ONCE = 1000
WORK_IN_HAND = frozenset({"inspections", "erasures"})
COUNTERS = {"models": frozenset({"turn"})}
"""Columns that count tries, not outcomes."""


class SqlState:
    """All tables but those of work in hand."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def digest(self) -> StateDigest:
        """Read all of it, and sum it up."""
        connection = await self._session.connection()
        if connection.dialect.name == "postgresql":
            # Who only reads has no transaction there, and so neither one moment for all tables nor cursors.
            await connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
        tables = [table for table in Row.metadata.sorted_tables if table.name not in WORK_IN_HAND]
        return StateDigest.of([await self._part(table) for table in tables])

    async def _part(self, table: Table) -> Part:
        columns = [column for column in table.columns if column.name not in COUNTERS.get(table.name, ())]
        names = [str(column.name) for column in columns]
        connection = await self._session.connection()
        digests: list[bytes] = []
        async with connection.stream(select(*columns)) as found:
            async for rows in found.partitions(AT_ONCE):
                digests += [digest_of_row(dict(zip(names, row, strict=True))) for row in rows]
        return part_of(table.name, digests)


class SqlLives:
    """What became of versions, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def models(self, at: datetime) -> list[str]:
        """List the names of the models there are, and of those deleted since that had versions."""
        had_versions = exists().where(col(VersionRow.pipeline) == ModelRow.pipeline)
        there = or_(col(ModelRow.deleted_at).is_(None), and_(col(ModelRow.deleted_at) > at, had_versions))
        names = select(col(ModelRow.name)).where(there).order_by(col(ModelRow.name))
        return list((await (await self._session.connection()).execute(names)).scalars())

    async def of_model(self, pipeline: PipelineName) -> list[VersionLife] | None:
        """List a model's versions, newest first, without their documents; None if there is no such model."""
        if await self._session.get(ModelRow, pipeline) is None:
            return None
        rows = select(*_LIFE).where(col(VersionRow.pipeline) == pipeline).order_by(col(VersionRow.number).desc())
        return [_life(*row) for row in await (await self._session.connection()).execute(rows)]

    async def other_aliases(self, pipeline: PipelineName) -> list[OtherMove]:
        """List the changes of a model's aliases that are people's own, oldest first."""
        change = AliasChangeRow
        moves = (
            select(col(change.alias), col(change.number), col(change.changed_at))
            .where(col(change.pipeline) == pipeline, col(change.alias).not_in([alias.value for alias in Alias]))
            .order_by(col(change.place))
        )
        return [OtherMove(*row) for row in await (await self._session.connection()).execute(moves)]


_LIFE = (
    col(VersionRow.number),
    col(VersionRow.registered_at),
    col(VersionRow.run_id),
    col(VersionRow.state),
    col(VersionRow.decided_by),
    col(VersionRow.decision_reason),
    col(VersionRow.decided_at),
    col(VersionRow.deleted_at),
    col(VersionRow.approvals),
)


def _life(
    number: int,
    registered_at: datetime,
    run_id: UUID | None,
    state: str,
    by: str | None,
    reason: str | None,
    at: datetime | None,
    deleted_at: datetime | None,
    approvals: Sequence[Mapping[str, str]],
) -> VersionLife:
    began = VersionState.AWAITING_APPROVAL if run_id else VersionState.LOGGED
    decision = Decision(by, reason or "", at) if by and at else None
    given = [Decision(one["by"], one["reason"], datetime.fromisoformat(one["at"])) for one in approvals]
    waived = given[-1] if given and began is VersionState.LOGGED else None
    return VersionLife(number, registered_at, began, VersionState(state), decision, deleted_at, waived)


class SqlKnownExperiments:
    """Experiments in SQL, numbered already."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, experiment: Experiment) -> None:
        """Keep an experiment under its number, which is then never given again."""
        number = number_of(experiment.id)
        self._session.add(
            ExperimentRow(
                id=number,
                name=experiment.name,
                pipeline=experiment.pipeline,
                artifact_location=experiment.artifact_location,
                stage=experiment.stage.value,
                created_ms=experiment.created_ms,
                updated_ms=experiment.updated_ms,
            )
        )
        await self._session.flush()
        for key, value in experiment.tags.items():
            self._session.add(ExperimentTagRow(experiment_id=number, key=key, value=value))
        await self._session.flush()
        if self._session.get_bind().dialect.name == "postgresql":
            # SQLite counts on from the largest number ever kept; a sequence has to be told.
            sequence = text("SELECT setval(pg_get_serial_sequence('experiments', 'id'), :number)")
            await (await self._session.connection()).execute(sequence, {"number": number})
