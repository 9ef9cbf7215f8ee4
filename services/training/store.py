"""Training's memory in SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from contracts.pipeline import TriggerKind
from services.chassis.errors import TransientError
from services.training.budget import Spent
from services.training.domain import Dataset, HeardCause, Pipeline
from services.training.ports import History
from services.training.rows import CauseRow, DatasetRow, PipelineRow, RevisionRow, RunRow
from services.training.run import Run, RunState
from services.training.standing import Outcome


class SqlPipelines:
    """Pipelines in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, name: str) -> Pipeline | None:
        """Get a pipeline as it is in force."""
        return await self._one(select(PipelineRow).where(PipelineRow.name == name))

    async def claim(self, name: str) -> Pipeline | None:
        """Get a pipeline and lock its row; SQLite's writers exclude each other anyway."""
        return await self._one(
            select(PipelineRow)
            .where(PipelineRow.name == name)
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def all(self) -> list[Pipeline]:
        """List the pipelines by name."""
        rows = await self._session.exec(select(PipelineRow).order_by(col(PipelineRow.name)))
        return [Pipeline.model_validate(row.document) for row in rows]

    async def save(self, pipeline: Pipeline) -> None:
        """Keep a pipeline, and its revision if that is new."""
        document = pipeline.model_dump(mode="json")
        await self._session.merge(PipelineRow(name=pipeline.name, document=document))
        if await self._session.get(RevisionRow, (pipeline.name, pipeline.revision)) is None:
            revision = RevisionRow(pipeline=pipeline.name, revision=pipeline.revision, document=document)
            self._session.add(revision)
        await self._session.flush()

    async def revisions(self, name: str) -> list[Pipeline]:
        """List what was ever in force, newest first."""
        kept = select(RevisionRow).where(RevisionRow.pipeline == name).order_by(col(RevisionRow.revision).desc())
        return [Pipeline.model_validate(row.document) for row in await self._session.exec(kept)]

    async def add_dataset(self, pipeline: str, dataset: Dataset) -> None:
        """Keep a dataset version."""
        if await self._session.get(DatasetRow, (pipeline, dataset.ref.version)) is None:
            row = DatasetRow(
                pipeline=pipeline,
                version=dataset.ref.version,
                new_rows=dataset.new_rows,
                document=dataset.model_dump(mode="json"),
            )
            self._session.add(row)
            await self._session.flush()

    async def dataset(self, pipeline: str, version: int | None = None) -> Dataset | None:
        """Get a dataset version, by default the newest."""
        versions = select(DatasetRow).where(DatasetRow.pipeline == pipeline)
        if version is not None:
            versions = versions.where(DatasetRow.version == version)
        row = (await self._session.exec(versions.order_by(col(DatasetRow.version).desc()).limit(1))).first()
        return Dataset.model_validate(row.document) if row else None

    async def new_rows(self, pipeline: str, after: int) -> int:
        """Count the rows that came with the versions after one."""
        rows = select(func.coalesce(func.sum(DatasetRow.new_rows), 0))
        total = await self._session.exec(rows.where(DatasetRow.pipeline == pipeline, col(DatasetRow.version) > after))
        return int(total.one())

    async def _one(self, chosen: SelectOfScalar[PipelineRow]) -> Pipeline | None:
        row = (await self._session.exec(chosen)).first()
        return Pipeline.model_validate(row.document) if row else None


class SqlRuns:
    """Training runs in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, run_id: UUID) -> Run | None:
        """Get a run."""
        return await self._first(select(RunRow).where(RunRow.run_id == run_id))

    async def claim(self, run_id: UUID) -> Run | None:
        """Get a run and lock its row; SQLite's writers exclude each other anyway."""
        return await self._first(
            select(RunRow).where(RunRow.run_id == run_id).with_for_update().execution_options(populate_existing=True)
        )

    async def save(self, run: Run) -> None:
        """Keep a run.

        Raises:
            TransientError: The pipeline has another unfinished run, begun at the same moment.
        """
        row = RunRow(
            run_id=run.run_id,
            pipeline=run.pipeline,
            state=run.state.value,
            kind=run.cause.kind.value,
            as_of=run.cause.as_of,
            dataset_version=run.dataset_version,
            labels=run.labels,
            created_at=run.created_at,
            finished_at=run.finished_at,
            begun_at=run.begun_at,
            compute_s=run.compute_s,
            model_version=run.verdict.version if run.verdict else None,
            outcome=run.verdict.outcome.value if run.verdict else None,
            judged_at=run.verdict.at if run.verdict else None,
            document=run.model_dump(mode="json"),
        )
        try:
            await self._session.merge(row)
            await self._session.flush()
        except IntegrityError as error:
            raise TransientError("run_active", pipeline=run.pipeline) from error

    async def active(self, pipeline: str) -> Run | None:
        """Get the pipeline's unfinished run."""
        unfinished = select(RunRow).where(RunRow.pipeline == pipeline, col(RunRow.finished_at).is_(None))
        return await self._first(unfinished)

    async def unfinished(self) -> list[Run]:
        """List every run there is something to do for, oldest first."""
        unfinished = select(RunRow).where(col(RunRow.finished_at).is_(None)).order_by(col(RunRow.created_at))
        return _runs((await self._session.exec(unfinished)).all())

    async def recent(self, pipeline: str | None, *, limit: int) -> list[Run]:
        """List runs, newest first."""
        chosen = select(RunRow).order_by(col(RunRow.created_at).desc()).limit(limit)
        if pipeline is not None:
            chosen = chosen.where(RunRow.pipeline == pipeline)
        return _runs((await self._session.exec(chosen)).all())

    async def history(self, pipeline: str) -> History:
        """Sum up the pipeline's runs."""
        succeeded = select(func.max(RunRow.dataset_version)).where(
            RunRow.pipeline == pipeline, RunRow.state == RunState.SUCCEEDED.value
        )
        newest_first = (
            select(RunRow).where(RunRow.pipeline == pipeline).order_by(col(RunRow.created_at).desc()).limit(1)
        )
        automatic = newest_first.where(RunRow.kind != TriggerKind.PERSON.value, col(RunRow.as_of).is_not(None))
        last = (await self._session.exec(newest_first)).first()
        last_automatic = (await self._session.exec(automatic)).first()
        return History(
            used=(await self._session.exec(succeeded)).one(),
            last_as_of=last_automatic.as_of if last_automatic else None,
            labels=last.labels if last else 0,
            last_at=last.created_at if last else None,
        )

    async def spent(self, pipeline: str, since: datetime) -> Spent:
        """Sum up what the runs took that began since a moment."""
        taken = select(func.count(), func.coalesce(func.sum(RunRow.compute_s), 0.0))
        of_pipeline = taken.where(RunRow.pipeline == pipeline, col(RunRow.begun_at) >= since)
        runs, compute_s = (await self._session.exec(of_pipeline)).one()
        succeeded = select(RunRow.compute_s).where(
            RunRow.pipeline == pipeline, RunRow.state == RunState.SUCCEEDED.value
        )
        latest = (await self._session.exec(succeeded.order_by(col(RunRow.finished_at).desc()).limit(1))).first()
        return Spent(runs=runs, compute_s=compute_s, expected_s=latest or 0.0)

    async def refused(self, pipeline: str, *, after: datetime) -> list[Run]:
        """List automatic runs whose candidates were refused in a row up to now, newest verdict first."""
        promoted = select(func.max(RunRow.judged_at)).where(
            RunRow.pipeline == pipeline, RunRow.outcome == Outcome.PROMOTED.value
        )
        wished = select(func.max(RunRow.created_at)).where(
            RunRow.pipeline == pipeline, RunRow.kind == TriggerKind.PERSON.value
        )
        resets = [(await self._session.exec(reset)).one() for reset in (promoted, wished)]
        in_a_row = select(RunRow).where(
            RunRow.pipeline == pipeline,
            RunRow.outcome == Outcome.REFUSED.value,
            RunRow.kind != TriggerKind.PERSON.value,
            col(RunRow.judged_at) > max(filter(None, (after, *resets))),
        )
        return _runs((await self._session.exec(in_a_row.order_by(col(RunRow.judged_at).desc()))).all())

    async def of_version(self, pipeline: str, version: int) -> Run | None:
        """Get the run whose candidate is a version, once there is a verdict on it."""
        return await self._first(select(RunRow).where(RunRow.pipeline == pipeline, RunRow.model_version == version))

    async def _first(self, chosen: SelectOfScalar[RunRow]) -> Run | None:
        row = (await self._session.exec(chosen)).first()
        return Run.model_validate(row.document) if row else None


class SqlCauses:
    """Causes in SQL."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, pipeline: str, message_id: str) -> HeardCause | None:
        """Get a cause by the message that carried it."""
        row = await self._session.get(CauseRow, (pipeline, message_id))
        return HeardCause.model_validate(row.document) if row else None

    async def save(self, heard: HeardCause) -> None:
        """Keep a cause."""
        row = CauseRow(
            pipeline=heard.pipeline,
            message_id=heard.cause.message_id,
            correlation_id=heard.origin.correlation_id,
            kind=heard.cause.kind.value,
            heard_at=heard.heard_at,
            due=heard.due,
            document=heard.model_dump(mode="json"),
        )
        await self._session.merge(row)
        await self._session.flush()

    async def due(self, pipeline: str) -> list[HeardCause]:
        """List the causes that wait, at most one of a kind, by the names of their kinds."""
        due = select(CauseRow).where(CauseRow.pipeline == pipeline, col(CauseRow.due).is_(True))
        rows = await self._session.exec(due.order_by(CauseRow.kind))
        return [HeardCause.model_validate(row.document) for row in rows]

    async def waiting(self) -> list[str]:
        """Name the pipelines that have a cause waiting."""
        due = select(CauseRow.pipeline).where(col(CauseRow.due).is_(True)).distinct()
        return sorted((await self._session.exec(due)).all())

    async def last_scheduled(self, pipeline: str) -> datetime | None:
        """Say when the pipeline's schedule last spoke."""
        spoken = select(CauseRow).where(CauseRow.pipeline == pipeline, CauseRow.kind == TriggerKind.SCHEDULE.value)
        row = (await self._session.exec(spoken.order_by(col(CauseRow.heard_at).desc()).limit(1))).first()
        return row.heard_at if row else None

    async def recent(self, pipeline: str | None, *, limit: int) -> list[HeardCause]:
        """List causes, newest first."""
        chosen = select(CauseRow).order_by(col(CauseRow.heard_at).desc()).limit(limit)
        if pipeline is not None:
            chosen = chosen.where(CauseRow.pipeline == pipeline)
        return [HeardCause.model_validate(row.document) for row in await self._session.exec(chosen)]

    async def of_story(self, correlation_id: str) -> list[HeardCause]:
        """List the causes that belong to one story, newest first."""
        story = select(CauseRow).where(CauseRow.correlation_id == correlation_id)
        rows = await self._session.exec(story.order_by(col(CauseRow.heard_at).desc()))
        return [HeardCause.model_validate(row.document) for row in rows]


def _runs(rows: Sequence[RunRow]) -> list[Run]:
    return [Run.model_validate(row.document) for row in rows]
