"""One version with its tags and aliases, read at once: this is asked for with almost every request."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, literal_column, null, select, union_all
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.domain import VersionState
from services.registry.models.domain import VersionEntry
from services.registry.models.rows import AliasRow, VersionTagRow
from services.registry.rows import ModelRow, VersionRow

SHOWN: tuple[Any, ...] = (
    col(VersionRow.pipeline),
    col(ModelRow.name),
    col(VersionRow.number),
    col(VersionRow.run_id).is_not(None),
    col(VersionRow.source),
    col(VersionRow.location),
    col(VersionRow.source_run_id),
    col(VersionRow.run_link),
    col(VersionRow.model_id),
    col(VersionRow.description),
    col(VersionRow.registered_at),
    col(VersionRow.updated_at),
    col(VersionRow.archived),
    col(VersionRow.state),
    col(VersionRow.decision_reason),
    col(VersionRow.bundle_uri),
    col(VersionRow.bundle_digest),
    col(VersionRow.decided_by),
    col(VersionRow.decided_at),
)
"""Columns of an entry, in its order: a bundle's documents are large, and nobody who lists versions reads them."""
THERE = col(VersionRow.deleted_at).is_(None)
LARGEST_NUMBER = 2**31 - 1
"""Databases count no further, so there is no such version."""
_PIPELINE: ColumnElement[str] = bindparam("pipeline")


def _with_all(number: ColumnElement[int]) -> Executable:
    """Select a version, its tags and its aliases, told apart by their first column; the others as they come."""
    nothing = (null(),) * (len(SHOWN) - 2)
    version = (
        select(literal_column("'version'").label("part"), *SHOWN)
        .join(ModelRow, col(ModelRow.pipeline) == col(VersionRow.pipeline))
        .where(col(VersionRow.pipeline) == _PIPELINE, col(VersionRow.number) == number, THERE)
    )
    tags: Any = select(literal_column("'tag'"), col(VersionTagRow.key), col(VersionTagRow.value), *nothing).where(
        col(VersionTagRow.pipeline) == _PIPELINE, col(VersionTagRow.number) == number
    )
    aliases: Any = select(literal_column("'alias'"), col(AliasRow.alias), null(), *nothing).where(
        col(AliasRow.pipeline) == _PIPELINE, col(AliasRow.number) == number
    )
    return union_all(version, tags, aliases)


_NUMBERED = _with_all(bindparam("number"))
_ALIASED = _with_all(
    select(AliasRow.__table__.c.number)  # type: ignore[attr-defined]  # the mapper puts it there
    .where(col(AliasRow.pipeline) == _PIPELINE, col(AliasRow.alias) == bindparam("alias"))
    .scalar_subquery()
)


async def numbered(session: AsyncSession, pipeline: PipelineName, number: int) -> VersionEntry | None:
    """Read a version by its number."""
    if not 0 < number <= LARGEST_NUMBER:
        return None
    return await _read(session, _NUMBERED, {"pipeline": pipeline, "number": number})


async def aliased(session: AsyncSession, pipeline: PipelineName, alias: str) -> VersionEntry | None:
    """Read the version that an alias points at."""
    return await _read(session, _ALIASED, {"pipeline": pipeline, "alias": alias})


async def _read(session: AsyncSession, statement: Executable, given: dict[str, object]) -> VersionEntry | None:
    version: Any = None
    tags: dict[str, str] = {}
    aliases: list[str] = []
    # Beneath the session, whose bookkeeping costs as much again.
    for part, *found in await (await session.connection()).execute(statement, given):
        match part:
            case "version":
                version = found
            case "tag":
                tags[found[0]] = found[1]
            case _:
                aliases.append(found[0])
    return entry(version, tags, aliases) if version else None


def entry(shown: Any, tags: dict[str, str], aliases: list[str]) -> VersionEntry:
    """Put an entry together."""
    read = VersionEntry(*shown)
    return replace(read, state=VersionState(read.state), tags=tags, aliases=tuple(sorted(aliases)))
