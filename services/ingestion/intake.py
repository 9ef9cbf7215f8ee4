"""Drives every batch from its arrival to its end: one version, one event, whatever dies in between.

Each step is safe to repeat. Bytes are kept under their own digest; the table's commit carries the batch's id and
is looked for before it is written; the version, the batch's end and the event are one transaction.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from opentelemetry.trace import get_tracer

from contracts import telemetry
from contracts.ingestion import DatasetIngested, DatasetRejected, IngestMode, Rule, Violation
from contracts.message import utc_now
from services.chassis.errors import RejectedError, TransientError
from services.chassis.logs import Log
from services.chassis.subscriptions import Cause
from services.chassis.telemetry import context_from, current_traceparent
from services.chassis.work import Work
from services.ingestion.domain import (
    Batch,
    BatchState,
    DatasetVersion,
    RawFile,
    Rejection,
    chain_digest,
    current_chain,
    holder_of,
)
from services.ingestion.judgement import Accepted, Refused, judge, retyped, unreadable
from services.ingestion.ports import Archive, Batches, Lake, Sources, TableCommit, Versions
from services.ingestion.spool import Spool

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken and how long is waited."""

    max_expanded_bytes: int
    max_attempts: int
    concurrency: int


class Intake:
    """Takes the oldest unfinished batch of each pipeline one step further at a time, so that order is kept."""

    def __init__(
        self,
        lake: Lake,
        archive: Archive,
        sources: Sources,
        *,
        limits: Limits,
        spool: Spool,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lake = lake
        self._archive = archive
        self._sources = sources
        self._limits = limits
        self._spool = spool
        self._clock = clock

    async def step(self, work: Work) -> None:
        """Advance batches, one of each pipeline at a time, until none is due."""
        slots = asyncio.Semaphore(self._limits.concurrency)

        async def advance(batch: Batch) -> None:
            async with slots:
                await self._advance(work, batch)

        while due := await self._due(work):
            async with asyncio.TaskGroup() as group:
                for batch in due:
                    group.create_task(advance(batch))

    async def _due(self, work: Work) -> list[Batch]:
        async with work.transaction(write=False) as transaction:
            heads = await transaction.port(Batches).heads()
        now = self._clock()
        return [batch for batch in heads if batch.retry_at is None or batch.retry_at <= now]

    async def _advance(self, work: Work, batch: Batch) -> None:
        step = self._store if batch.state is BatchState.RECEIVED else self._ingest
        context = context_from(batch.cause.traceparent if batch.cause else None)
        attributes = {telemetry.PIPELINE: batch.pipeline}
        with get_tracer("everloop").start_as_current_span(f"{step.__name__[1:]} batch", context, attributes=attributes):
            try:
                await step(work, batch)
            except Exception as error:
                await self._put_off(work, batch, error)

    async def _put_off(self, work: Work, batch: Batch, error: Exception) -> None:
        """Try again later: an outage passes. A fault that stays must not block the queue behind it for ever."""
        outage = isinstance(error, (TransientError, OSError))
        say = log.warning if outage else log.exception
        say("batch put off", batch_id=str(batch.batch_id), pipeline=batch.pipeline, error=str(error))
        if not outage and batch.attempts + 1 >= self._limits.max_attempts:
            await self._reject(work, batch, unreadable(f"could not be processed: {type(error).__name__}: {error}"))
            return
        async with work.transaction() as transaction:
            await transaction.port(Batches).save(batch.failed(str(error), now=self._clock()), was=batch.state)

    async def _store(self, work: Work, batch: Batch) -> None:
        """Keep the file's bytes."""
        async with self._spool.file() as file:
            try:
                await self._sources.fetch(batch.uri, file)
            except RejectedError as error:
                await self._reject(work, batch, unreadable(str(error)))
                return
            except TransientError as error:
                if batch.attempts + 1 < self._limits.max_attempts:
                    raise
                await self._reject(work, batch, unreadable(f"{error}; tried {batch.attempts + 1} times"))
                return
            raw = await self._archive.keep(file)
        if batch.expected_digest not in (None, raw.digest):
            detail = f"expected {batch.expected_digest}, found {raw.digest}"
            await self._reject(work, batch, Refused((Violation(rule=Rule.DIGEST, detail=detail),)), raw=raw)
            return
        async with work.transaction() as transaction:
            await transaction.port(Batches).save(batch.stored(raw), was=BatchState.RECEIVED)

    async def _ingest(self, work: Work, batch: Batch) -> None:
        """Make a version of the batch, unless the dataset has its bytes or they break the contract."""
        assert batch.raw is not None
        async with work.transaction(write=False) as transaction:
            versions = await transaction.port(Versions).all(batch.pipeline)
        holder = holder_of(batch.raw.digest, batch.mode, current_chain(versions))
        if holder is not None:
            async with work.transaction() as transaction:
                await transaction.port(Batches).save(batch.duplicate_of(holder.version), was=BatchState.STORED)
            return
        previous = versions[-1] if versions else None
        number = previous.version + 1 if previous else 1
        judgement = await self._judge(batch, batch.raw)
        if isinstance(judgement, Refused):
            await self._reject(work, batch, judgement)
            return
        written = await self._lake.find(batch.pipeline, batch_id=batch.batch_id, version=number)
        if written is None and batch.mode is IngestMode.APPEND:
            differences = await self._lake.retyped(batch.pipeline, judgement.rows.schema)
            if differences:
                await self._reject(work, batch, retyped(tuple(differences)))
                return
        if written is None:
            written = await self._lake.write(
                batch.pipeline, judgement.rows, mode=batch.mode, batch_id=batch.batch_id, version=number
            )
        profile_uri = await self._archive.put_profile(batch.pipeline, number, judgement.profile)
        version = self._version(batch, batch.raw, judgement, written, previous, profile_uri)
        async with work.transaction() as transaction:
            if await transaction.port(Batches).save(batch.ingested_as(number), was=BatchState.STORED):
                await transaction.port(Versions).add(version)
                transaction.say(ingested(version), cause=_story(batch))

    async def _judge(self, batch: Batch, raw: RawFile) -> Accepted | Refused:
        data = await self._archive.raw(raw)
        return await asyncio.to_thread(
            judge,
            data,
            batch.uri,
            batch.contract,
            now=batch.received_at,
            max_expanded_bytes=self._limits.max_expanded_bytes,
        )

    async def _reject(self, work: Work, batch: Batch, refused: Refused, *, raw: RawFile | None = None) -> None:
        """Quarantine what offends and say every reason."""
        was, raw = batch.state, raw or batch.raw
        quarantine_uri = None
        if refused.offending is not None:
            quarantine_uri = await self._archive.quarantine(batch.pipeline, batch.batch_id, refused.offending)
        rejection = Rejection(refused.violations, quarantine_uri, refused.schema_changes)
        ended = (batch.stored(raw) if raw else batch).rejected(rejection)
        async with work.transaction() as transaction:
            if await transaction.port(Batches).save(ended, was=was):
                transaction.say(rejected(ended, rejection), cause=_story(batch))

    def _version(
        self,
        batch: Batch,
        raw: RawFile,
        accepted: Accepted,
        written: TableCommit,
        previous: DatasetVersion | None,
        profile_uri: str,
    ) -> DatasetVersion:
        kept_rows = previous.rows if previous and batch.mode is IngestMode.APPEND else 0
        return DatasetVersion(
            pipeline=batch.pipeline,
            version=previous.version + 1 if previous else 1,
            digest=chain_digest(previous.digest if previous else None, raw.digest, batch.mode),
            table_uri=written.table_uri,
            delta_version=written.delta_version,
            mode=batch.mode,
            batch_id=batch.batch_id,
            raw_uri=raw.uri,
            raw_digest=raw.digest,
            new_rows=accepted.rows.num_rows,
            rows=kept_rows + accepted.rows.num_rows,
            profile_uri=profile_uri,
            first_event=accepted.profile.first_event,
            last_event=accepted.profile.last_event,
            created_at=self._clock(),
            ignored_columns=accepted.ignored_columns,
        )


def _story(batch: Batch) -> Cause | None:
    """What led to a fact about a batch: its cause, seen from the span of the step at work."""
    here = current_traceparent()
    return replace(batch.cause, traceparent=here) if batch.cause and here else batch.cause


def ingested(version: DatasetVersion) -> DatasetIngested:
    """Say that a dataset has a new version."""
    return DatasetIngested(
        pipeline=version.pipeline,
        dataset_version=version.version,
        dataset_digest=version.digest,
        table_uri=version.table_uri,
        delta_version=version.delta_version,
        mode=version.mode,
        raw_uri=version.raw_uri,
        raw_digest=version.raw_digest,
        new_rows=version.new_rows,
        rows=version.rows,
        profile_uri=version.profile_uri,
        first_event=version.first_event,
        last_event=version.last_event,
    )


def rejected(batch: Batch, rejection: Rejection) -> DatasetRejected:
    """Say why a batch did not become a version."""
    return DatasetRejected(
        pipeline=batch.pipeline,
        uri=batch.uri,
        raw_uri=batch.raw.uri if batch.raw else None,
        raw_digest=batch.raw.digest if batch.raw else None,
        violations=rejection.violations,
        quarantine_uri=rejection.quarantine_uri,
        schema_changes=rejection.schema_changes,
    )
