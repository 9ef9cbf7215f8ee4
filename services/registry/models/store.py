"""Models by name, and what is said about them, in SQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import asc, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.gates import AbsoluteGate
from contracts.model import PipelineName
from services.registry.domain import Decision
from services.registry.keys import key_of
from services.registry.models.aliases import point
from services.registry.models.domain import IS_PROMPT, HeldModel, ModelEntry, VersionEntry
from services.registry.models.rows import AliasRow, ModelTagRow, VersionTagRow
from services.registry.models.versions import SqlNamedVersions
from services.registry.rows import AliasChangeRow, ModelRow, VersionRow

GATES = "gates"
"""All that is declared of a model without a pipeline."""
OF_A_MODEL = (VersionRow, ModelTagRow, VersionTagRow, AliasRow, AliasChangeRow)
"""Rows that a model takes along when its key changes."""

_HOLD = (
    update(ModelRow)
    .where(col(ModelRow.pipeline) == bindparam("key"), col(ModelRow.deleted_at).is_(None))
    .values(turn=ModelRow.turn + 1)
    .returning(col(ModelRow.pipeline), col(ModelRow.name), col(ModelRow.is_pipeline), col(ModelRow.description))
)


class SqlNamedModels:
    """The models in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def create(
        self, name: str, *, description: str | None, tags: Mapping[str, str], at: datetime
    ) -> PipelineName | None:
        """Make a model, or a deleted one again; its key, or None if there is one of that name."""
        pipeline = key_of(name)
        if not await self._revive(pipeline, name, description, at) and not await self._insert(
            pipeline, name, description, at
        ):
            return None
        if tags:
            rows = [{"pipeline": pipeline, "key": key, "value": value} for key, value in tags.items()]
            await self._session.exec(insert(ModelTagRow), params=rows)
        return pipeline

    async def _revive(self, pipeline: PipelineName, name: str, description: str | None, at: datetime) -> bool:
        deleted = update(ModelRow).where(
            col(ModelRow.pipeline) == pipeline, col(ModelRow.name) == name, col(ModelRow.deleted_at).is_not(None)
        )
        revived = await self._session.exec(
            deleted.values(deleted_at=None, definition={}, description=description, registered_at=at, updated_at=at)
        )
        return bool(revived.rowcount)

    async def _insert(self, pipeline: PipelineName, name: str, description: str | None, at: datetime) -> bool:
        new = {"pipeline": pipeline, "name": name, "is_pipeline": False, "definition": {}, "description": description}
        try:
            async with self._session.begin_nested():
                statement = insert(ModelRow).values(**new, registered_at=at, updated_at=at, last_number=0, turn=0)
                await self._session.exec(statement)
        except IntegrityError:
            return False
        return True

    async def hold(self, name: str) -> HeldModel | None:
        """Find a model by name and let nobody else decide about it before this transaction ends."""
        model = await self.hold_key(key_of(name))
        return model if model and model.name == name else None

    async def hold_key(self, pipeline: PipelineName) -> HeldModel | None:
        """Find a model by key and let nobody else decide about it before this transaction ends."""
        # As with pipelines: an update takes the lock before anything is read.
        row = (await (await self._session.connection()).execute(_HOLD, {"key": pipeline})).first()
        return HeldModel(*row) if row else None

    async def gates(self, pipeline: PipelineName) -> tuple[AbsoluteGate, ...]:
        """Read what versions of a model without a pipeline must pass."""
        row = await self._session.get_one(ModelRow, pipeline, populate_existing=True)
        return tuple(AbsoluteGate.model_validate(gate) for gate in row.definition.get(GATES, ()))

    async def declare(self, pipeline: PipelineName, gates: tuple[AbsoluteGate, ...], *, at: datetime) -> None:
        """Say what versions of a model without a pipeline must pass."""
        definition = {GATES: [gate.model_dump(mode="json") for gate in gates]}
        this = update(ModelRow).where(col(ModelRow.pipeline) == pipeline)
        await self._session.exec(this.values(definition=definition, updated_at=at))

    async def describe(self, pipeline: PipelineName, description: str | None, *, at: datetime) -> None:
        """Describe a model in other words."""
        this = update(ModelRow).where(col(ModelRow.pipeline) == pipeline)
        await self._session.exec(this.values(description=description, updated_at=at))

    async def tag(self, pipeline: PipelineName, key: str, value: str | None) -> str | None:
        """Give a tag another value, or remove it; the value it had."""
        row = await self._session.get(ModelTagRow, (pipeline, key))
        previous = row.value if row else None
        if row and value is None:
            await self._session.delete(row)
        elif value is not None:
            row = row or ModelTagRow(pipeline=pipeline, key=key, value=value)
            row.value = value
            self._session.add(row)
        await self._session.flush()
        return previous

    async def rename(self, pipeline: PipelineName, name: str, *, at: datetime) -> PipelineName | None:
        """Give a model that was only logged another name; its new key, or None if versions of that name were there."""
        key = key_of(name)
        old = await self._session.get_one(ModelRow, pipeline, populate_existing=True)
        new = await self._session.get(ModelRow, key, populate_existing=True)
        numbered = await self._session.exec(select(VersionRow.number).where(VersionRow.pipeline == key).limit(1))
        if (new is not None and new.deleted_at is None) or numbered.first():
            return None
        new = new or ModelRow(pipeline=key, name=name, registered_at=old.registered_at, updated_at=at)
        new.name, new.description, new.definition, new.deleted_at = name, old.description, old.definition, None
        new.registered_at, new.updated_at, old.deleted_at = old.registered_at, at, at
        # Both names count on: what was said about a number under either was said about one version.
        new.last_number = max(new.last_number, old.last_number)
        self._session.add_all((old, new))
        await self._session.flush()
        for row in OF_A_MODEL:
            await self._session.exec(update(row).where(col(row.pipeline) == pipeline).values(pipeline=key))
        await self._session.exec(update(VersionRow).where(col(VersionRow.pipeline) == key).values(updated_at=at))
        return key

    async def delete(self, pipeline: PipelineName, decision: Decision) -> tuple[int, ...]:
        """Delete a model with its versions and tags; the numbers of the versions it had."""
        there = (col(VersionRow.pipeline) == pipeline, col(VersionRow.deleted_at).is_(None))
        numbers = (await self._session.exec(select(VersionRow.number).where(*there).order_by(asc("number")))).all()
        await self._session.exec(update(VersionRow).where(*there).values(deleted_at=decision.at))
        this = update(ModelRow).where(col(ModelRow.pipeline) == pipeline)
        await self._session.exec(this.values(deleted_at=decision.at, description=None))
        pointing = select(AliasRow.alias).where(AliasRow.pipeline == pipeline).order_by(asc(AliasRow.alias))
        for alias in (await self._session.exec(pointing)).all():
            await SqlNamedAliases(self._session).point(pipeline, alias, None, decision)
        for row in (ModelTagRow, VersionTagRow):
            await self._session.exec(delete(row).where(col(row.pipeline) == pipeline))
        return tuple(numbers)

    async def logged(self) -> list[PipelineName]:
        """List the keys of the models that no pipeline makes versions of, by name; prompts are none."""
        prompt = select(ModelTagRow).where(
            col(ModelTagRow.pipeline) == ModelRow.pipeline,
            col(ModelTagRow.key) == IS_PROMPT,
            func.lower(col(ModelTagRow.value)) == "true",
        )
        there = select(ModelRow.pipeline).where(
            ~col(ModelRow.is_pipeline), col(ModelRow.deleted_at).is_(None), ~prompt.exists()
        )
        return [*await self._session.exec(there.order_by(col(ModelRow.name)))]

    async def entries(self, pipelines: Sequence[PipelineName]) -> list[ModelEntry]:
        """Read models, in the order asked for; those that are not there are left out."""
        there = select(ModelRow).where(col(ModelRow.pipeline).in_(pipelines), col(ModelRow.deleted_at).is_(None))
        rows = {row.pipeline: row for row in await self._session.exec(there)}
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for tag in await self._session.exec(select(ModelTagRow).where(col(ModelTagRow.pipeline).in_(pipelines))):
            tags[tag.pipeline][tag.key] = tag.value
        aliases: dict[str, dict[str, int]] = defaultdict(dict)
        for alias in await self._session.exec(select(AliasRow).where(col(AliasRow.pipeline).in_(pipelines))):
            aliases[alias.pipeline][alias.alias] = alias.number
        latest: dict[str, list[VersionEntry]] = defaultdict(list)
        for version in await SqlNamedVersions(self._session).latest(pipelines):
            latest[version.pipeline].append(version)
        return [
            ModelEntry(
                pipeline=row.pipeline,
                name=row.name,
                description=row.description,
                created_at=row.registered_at,
                updated_at=row.updated_at,
                tags=tags[row.pipeline],
                aliases=dict(sorted(aliases[row.pipeline].items())),
                latest=tuple(latest[row.pipeline]),
            )
            for row in (rows[pipeline] for pipeline in pipelines if pipeline in rows)
        ]


class SqlNamedAliases:
    """Where the aliases point, in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, pipeline: PipelineName, alias: str) -> int | None:
        """Find what an alias points at."""
        this = select(AliasRow.number).where(AliasRow.pipeline == pipeline, AliasRow.alias == alias)
        return (await self._session.exec(this)).first()

    async def point(self, pipeline: PipelineName, alias: str, number: int | None, decision: Decision) -> None:
        """Point an alias at a version, or at none, and write down who did. The model is held."""
        await point(self._session, pipeline, alias, number)
        last = select(func.max(col(AliasChangeRow.place))).where(AliasChangeRow.pipeline == pipeline)
        change = AliasChangeRow(
            pipeline=pipeline,
            place=((await self._session.exec(last)).one() or 0) + 1,
            alias=alias,
            number=number,
            changed_by=decision.by,
            reason=decision.reason,
            changed_at=decision.at,
        )
        self._session.add(change)
        await self._session.flush()
