"""Experiments and runs in SQL, for SQLite and PostgreSQL.

What is asked for with every request is written out and runs beneath the session, which would cost as much again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Executable, Row, bindparam, text
from sqlalchemy import select as sql_select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import class_mapper
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.registry.keys import key_of
from services.registry.tracking.domain import Experiment, Run, RunRecord, RunStatus, Stage
from services.registry.tracking.records import read_records
from services.registry.tracking.rows import ExperimentRow, ExperimentTagRow, RunRow

ARTIFACTS = "mlflow-artifacts:"
"""Where files go unless an experiment says otherwise: through the registry, into the store."""

_EXPERIMENT = text(
    "SELECT e.id, e.name, e.pipeline, e.artifact_location, e.stage, e.created_ms, e.updated_ms, t.key, t.value"
    " FROM experiments e LEFT JOIN experiment_tags t ON t.experiment_id = e.id WHERE e.id = :id ORDER BY t.key"
)
_NAMED_EXPERIMENT = text(
    "SELECT e.id, e.name, e.pipeline, e.artifact_location, e.stage, e.created_ms, e.updated_ms, t.key, t.value"
    " FROM experiments e LEFT JOIN experiment_tags t ON t.experiment_id = e.id WHERE e.name = :name ORDER BY t.key"
)
_SET_TAG = text(
    "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (:owner, :key, :value)"
    " ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value"
)
_DROP_TAG = text("DELETE FROM experiment_tags WHERE experiment_id = :owner AND key = :key")


def number_of(experiment_id: str) -> int:
    """Read an experiment's id; what is none is of no experiment."""
    return int(experiment_id) if experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) < 10 else -1


class SqlExperiments:
    """The experiments in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, name: str, *, artifact_location: str | None, tags: Mapping[str, str], at_ms: int
    ) -> Experiment | None:
        """Make an experiment; None if the name is taken."""
        row = ExperimentRow(
            name=name,
            pipeline=key_of(name),
            artifact_location=artifact_location or "",
            created_ms=at_ms,
            updated_ms=at_ms,
        )
        try:
            async with self._session.begin_nested():
                self._session.add(row)
        except IntegrityError:
            return None
        if not artifact_location:
            row.artifact_location = f"{ARTIFACTS}/{row.id}"
        for key, value in tags.items():
            self._session.add(ExperimentTagRow(experiment_id=row.id or 0, key=key, value=value))
        await self._session.flush()
        return row.to_domain(dict(tags))

    async def get(self, experiment_id: str) -> Experiment | None:
        """Find an experiment."""
        return await self._first(_EXPERIMENT, {"id": number_of(experiment_id)})

    async def named(self, name: str) -> Experiment | None:
        """Find an experiment by its name."""
        return await self._first(_NAMED_EXPERIMENT, {"name": name})

    async def put(self, experiment: Experiment) -> bool:
        """Keep its name and stage; False if the name is taken."""
        row = await self._session.get_one(ExperimentRow, number_of(experiment.id))
        try:
            async with self._session.begin_nested():
                row.name, row.stage, row.updated_ms = experiment.name, experiment.stage.value, experiment.updated_ms
                self._session.add(row)
        except IntegrityError:
            return False
        return True

    async def set_tag(self, experiment_id: str, key: str, value: str | None) -> str | None:
        """Set a tag, or remove it; tells what it was before."""
        owner = number_of(experiment_id)
        tag = select(ExperimentTagRow.value).where(ExperimentTagRow.experiment_id == owner, ExperimentTagRow.key == key)
        previous = (await self._session.exec(tag)).first()
        connection = await self._session.connection()
        if value is None:
            await connection.execute(_DROP_TAG, {"owner": owner, "key": key})
        else:
            await connection.execute(_SET_TAG, {"owner": owner, "key": key, "value": value})
        return previous

    async def _first(self, statement: Executable, given: Mapping[str, object]) -> Experiment | None:
        rows = (await (await self._session.connection()).execute(statement, given)).all()
        if not rows:
            return None
        id_, name, pipeline, location, stage, created_ms, updated_ms, *_ = rows[0]
        tags = {row.key: row.value for row in rows if row.key is not None}
        return Experiment(str(id_), name, pipeline, location, Stage(stage), created_ms, updated_ms, tags)


class SqlRuns:
    """The runs in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, run: Run, tags: Mapping[str, str]) -> bool:
        """Keep a new run; False if it was there."""
        connection = await self._session.connection()
        row = {**_columns(run), "experiment_id": number_of(run.experiment_id)}
        if connection.dialect.name == "postgresql":
            both = await connection.execute(_ADD_RUN_AND_TAGS, {**row, "tags": orjson.dumps(dict(tags)).decode()})
            return both.first() is not None
        added = await connection.execute(_ADD_RUN, row)
        if added.rowcount and tags:
            await connection.execute(_ADD_TAG, [{"run_id": run.id, "key": key, "value": tags[key]} for key in tags])
        return bool(added.rowcount)

    async def get(self, run_id: str) -> Run | None:
        """Find a run."""
        return await self._first(_RUN, run_id)

    async def hold(self, run_id: str) -> Run | None:
        """Find a run that must not be collected before this transaction ends."""
        return await self._first(_HELD_RUN, run_id)

    async def put(self, run: Run) -> None:
        """Keep its name, status, end and stage."""
        await (await self._session.connection()).execute(_PUT_RUN, _columns(run))

    async def stage_all(self, experiment_id: str, stage: Stage, at_ms: int) -> None:
        """Delete or restore every run of an experiment."""
        deleted_ms = at_ms if stage is Stage.DELETED else None
        given = {"experiment_id": number_of(experiment_id), "stage": stage.value, "deleted_ms": deleted_ms}
        await (await self._session.connection()).execute(_STAGE_RUNS, given)

    async def records(self, run_ids: Sequence[str]) -> dict[str, RunRecord]:
        """Read what runs have logged."""
        return await read_records(await self._session.connection(), run_ids)

    async def _first(self, statement: Executable, run_id: str) -> Run | None:
        row = (await (await self._session.connection()).execute(statement, {"run_id": run_id})).first()
        return run_of(row) if row else None


_RUNS, _EXPERIMENTS = (class_mapper(rows, configure=False).local_table for rows in (RunRow, ExperimentRow))
RUNS = sql_select(*_RUNS.c, _EXPERIMENTS.c.pipeline).join(_EXPERIMENTS, _EXPERIMENTS.c.id == _RUNS.c.experiment_id)
"""What `run_of` reads."""
_RUN = RUNS.where(_RUNS.c.id == bindparam("run_id"))
_HELD_RUN = _RUN.with_for_update(read=True, key_share=True, of=_RUNS)
_INSERT_RUN = (
    "INSERT INTO runs (id, experiment_id, name, user_id, status, started_ms, ended_ms, artifact_uri, stage, deleted_ms)"
    " VALUES (:id, :experiment_id, :name, :user, :status, :started_ms, :ended_ms, :artifact_uri, :stage, :deleted_ms)"
    " ON CONFLICT (id) DO NOTHING"
)
_ADD_RUN = text(_INSERT_RUN).execution_options(preserve_rowcount=True)
_ADD_TAG = text("INSERT INTO run_tags (run_id, key, value) VALUES (:run_id, :key, :value)")
_ADD_RUN_AND_TAGS = text(
    f"WITH added AS ({_INSERT_RUN} RETURNING id),"  # noqa: S608  # of constants
    " tagged AS (INSERT INTO run_tags (run_id, key, value)"
    " SELECT id, key, value FROM added CROSS JOIN json_each_text(CAST(:tags AS json)))"
    " SELECT id FROM added"
)
"""PostgreSQL's way of both at once."""
_PUT_RUN = text(
    "UPDATE runs SET name = :name, status = :status, ended_ms = :ended_ms, stage = :stage, deleted_ms = :deleted_ms"
    " WHERE id = :id"
)
_STAGE_RUNS = text("UPDATE runs SET stage = :stage, deleted_ms = :deleted_ms WHERE experiment_id = :experiment_id")


def _columns(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "name": run.name,
        "user": run.user,
        "status": run.status.value,
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "artifact_uri": run.artifact_uri,
        "stage": run.stage.value,
        "deleted_ms": run.deleted_ms,
    }


def run_of(row: Row[Any]) -> Run:
    """Read a run's columns, its experiment's key among them."""
    return Run(
        id=row.id,
        experiment_id=str(row.experiment_id),
        pipeline=row.pipeline,
        name=row.name,
        user=row.user_id,
        status=RunStatus(row.status),
        started_ms=row.started_ms,
        ended_ms=row.ended_ms,
        artifact_uri=row.artifact_uri,
        stage=Stage(row.stage),
        deleted_ms=row.deleted_ms,
    )
