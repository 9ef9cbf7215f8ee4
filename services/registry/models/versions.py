"""Versions of both kinds, and what is said about them, in SQL."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, join, not_, or_, tuple_, update
from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.model import PipelineName
from services.registry.domain import Alias, Decision, VersionState
from services.registry.models.domain import NewVersion, VersionEntry
from services.registry.models.reading import SHOWN, THERE, aliased, entry, numbered
from services.registry.models.rows import AliasRow, VersionTagRow
from services.registry.rows import ModelRow, VersionRow

AT_ONCE = 1000
"""How many versions are named in one statement, which may have only so many parameters."""
_PUT_AWAY = or_(col(VersionRow.archived), col(VersionRow.state) == VersionState.PROMOTED.value)
_COUNTED = (
    update(ModelRow)
    .where(col(ModelRow.pipeline) == bindparam("key"), col(ModelRow.deleted_at).is_(None))
    .values(turn=ModelRow.turn + 1, last_number=ModelRow.last_number + 1, updated_at=bindparam("at"))
    .returning(col(ModelRow.name), col(ModelRow.last_number))
)
_NEW = insert(VersionRow)
_NEW_TAG = insert(VersionTagRow)


class SqlNamedVersions:
    """The versions in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, pipeline: PipelineName, version: NewVersion, *, at: datetime) -> VersionEntry | None:
        """Register what was logged, under the next number; None if there is no such model."""
        connection = await self._session.connection()
        counted = (await connection.execute(_COUNTED, {"key": pipeline, "at": at})).first()
        if counted is None:
            return None
        name, number = counted
        row = {
            "pipeline": pipeline,
            "number": number,
            "verdicts": [],
            "source": version.source,
            "location": version.location,
            "source_run_id": version.run_id,
            "run_link": version.run_link,
            "model_id": version.model_id,
            "description": version.description,
            "registered_at": at,
            "updated_at": at,
            "archived": False,
            "state": VersionState.LOGGED.value,
        }
        await connection.execute(_NEW, row)
        if version.tags:
            of = {"pipeline": pipeline, "number": number}
            await connection.execute(_NEW_TAG, [{**of, "key": key, "value": version.tags[key]} for key in version.tags])
        return VersionEntry(
            pipeline=pipeline,
            name=name,
            number=number,
            is_bundle=False,
            source=version.source,
            location=version.location,
            run_id=version.run_id,
            run_link=version.run_link,
            model_id=version.model_id,
            description=version.description,
            created_at=at,
            updated_at=at,
            archived=False,
            state=VersionState.LOGGED,
            reason=None,
            tags=version.tags,
        )

    async def describe(self, pipeline: PipelineName, number: int, description: str | None, *, at: datetime) -> None:
        """Describe a version in other words."""
        await self._change(pipeline, number, description=description, updated_at=at)

    async def archive(self, pipeline: PipelineName, number: int, archived: bool, *, at: datetime) -> None:
        """Put a version away, or take it out again."""
        await self._change(pipeline, number, archived=archived, updated_at=at)

    async def decide(self, pipeline: PipelineName, number: int, state: VersionState, decision: Decision) -> None:
        """Keep what became of a logged version, and why."""
        said: dict[str, object] = {
            "decided_by": decision.by,
            "decision_reason": decision.reason,
            "decided_at": decision.at,
        }
        if state is VersionState.WAIVED:
            # Whatever is decided later, who answered for it stays known.
            word = {"by": decision.by, "reason": decision.reason, "at": decision.at.isoformat()}
            said["approvals"] = [word]
        await self._change(pipeline, number, state=state.value, updated_at=decision.at, **said)

    async def pack(
        self, pipeline: PipelineName, number: int, bundle_uri: str | None, bundle_digest: str | None
    ) -> None:
        """Keep where the bundle is that was made of a logged version, or that there is none."""
        await self._change(pipeline, number, bundle_uri=bundle_uri, bundle_digest=bundle_digest)

    async def tag(self, pipeline: PipelineName, number: int, key: str, value: str | None) -> str | None:
        """Give a tag another value, or remove it; the value it had."""
        row = await self._session.get(VersionTagRow, (pipeline, number, key))
        previous = row.value if row else None
        if row and value is None:
            await self._session.delete(row)
        elif value is not None:
            row = row or VersionTagRow(pipeline=pipeline, number=number, key=key, value=value)
            row.value = value
            self._session.add(row)
        await self._session.flush()
        return previous

    async def delete(self, pipeline: PipelineName, number: int, *, at: datetime) -> None:
        """Delete a version, its tags and the aliases that point at it; its number stays taken."""
        await self._change(pipeline, number, deleted_at=at, description=None)
        await self._session.exec(update(ModelRow).where(col(ModelRow.pipeline) == pipeline).values(updated_at=at))
        for row in (VersionTagRow, AliasRow):
            await self._session.exec(delete(row).where(col(row.pipeline) == pipeline, col(row.number) == number))

    async def get(self, pipeline: PipelineName, number: int) -> VersionEntry | None:
        """Find a version."""
        return await numbered(self._session, pipeline, number)

    async def aliased(self, pipeline: PipelineName, alias: str) -> VersionEntry | None:
        """Find the version that an alias points at."""
        return await aliased(self._session, pipeline, alias)

    async def entries(self, versions: Sequence[tuple[PipelineName, int]]) -> list[VersionEntry]:
        """Read versions, in the order asked for; those that are not there are left out."""
        found = {}
        for start in range(0, len(versions), AT_ONCE):
            for version in await self._read(versions[start : start + AT_ONCE]):
                found[version.pipeline, version.number] = version
        return [found[version] for version in versions if version in found]

    async def of_model(self, pipeline: PipelineName) -> list[VersionEntry]:
        """List a model's versions, newest first."""
        numbers = select(VersionRow.number).where(VersionRow.pipeline == pipeline, THERE)
        newest = numbers.order_by(col(VersionRow.number).desc())
        return await self.entries([(pipeline, number) for number in await self._session.exec(newest)])

    async def latest(self, pipelines: Sequence[PipelineName]) -> list[VersionEntry]:
        """Read the newest version of each stage of each model: the champion's, the challenger's, and of the others."""
        pointed = and_(
            col(AliasRow.pipeline) == VersionRow.pipeline,
            col(AliasRow.number) == VersionRow.number,
            col(AliasRow.alias).in_([Alias.CHAMPION.value, Alias.CHALLENGER.value]),
        )
        others = (
            select(VersionRow.pipeline, func.max(col(VersionRow.number)))
            .where(col(VersionRow.pipeline).in_(pipelines), THERE, not_(select(AliasRow).where(pointed).exists()))
            .group_by(VersionRow.pipeline, _PUT_AWAY)
        )
        aliased = select(AliasRow.pipeline, AliasRow.number).where(
            col(AliasRow.pipeline).in_(pipelines),
            col(AliasRow.alias).in_([Alias.CHAMPION.value, Alias.CHALLENGER.value]),
        )
        numbers = {(*found,) for rows in (others, aliased) for found in await self._session.exec(rows)}
        return await self.entries(sorted(numbers)) if numbers else []

    async def _change(self, pipeline: PipelineName, number: int, **values: object) -> None:
        this = update(VersionRow).where(col(VersionRow.pipeline) == pipeline, col(VersionRow.number) == number)
        await self._session.exec(this.values(**values))

    async def _read(self, versions: Sequence[tuple[PipelineName, int]]) -> list[VersionEntry]:
        of_them = select(VersionTagRow).where(_among(VersionTagRow, versions))
        tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for tag in await self._session.exec(of_them):
            tags[tag.pipeline, tag.number][tag.key] = tag.value
        aliases: dict[tuple[str, int], list[str]] = defaultdict(list)
        pointing = select(AliasRow).where(_among(AliasRow, versions))
        for alias in await self._session.exec(pointing):
            aliases[alias.pipeline, alias.number].append(alias.alias)
        of_models = join(VersionRow, ModelRow, col(ModelRow.pipeline) == VersionRow.pipeline)
        # The library's own select names the types of four columns at most.
        shown: Any = sql_select(*SHOWN).select_from(of_models).where(_among(VersionRow, versions), THERE)
        return [
            entry(row, tags[row.pipeline, row.number], aliases[row.pipeline, row.number])
            for row in await self._session.exec(shown)
        ]


def _among(
    row: type[VersionRow | VersionTagRow | AliasRow], versions: Sequence[tuple[PipelineName, int]]
) -> ColumnElement[bool]:
    if len(versions) > 1:
        return tuple_(col(row.pipeline), col(row.number)).in_(versions)
    ((pipeline, number),) = versions
    return and_(col(row.pipeline) == pipeline, col(row.number) == number)
