"""Training's memory: the same on the fakes, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import inspect

from contracts.jobs import ChampionRef
from contracts.pipeline import TriggerKind
from contracts.training import FailureReason
from services.chassis.database import Database
from services.chassis.errors import TransientError
from services.chassis.schema import migrate
from services.training import store
from services.training.budget import Spent
from services.training.domain import specify
from services.training.ports import Causes, History, Pipelines, Runs
from services.training.rows import TrainingRow
from services.training.run import Run, RunState
from services.training.standing import Outcome, Verdict
from tests.fakes.training import examples
from tests.fakes.training.causes import InMemoryCauses
from tests.fakes.training.pipelines import InMemoryPipelines
from tests.fakes.training.runs import InMemoryRuns
from tests.fixtures.adapters import Adapters


@dataclass(frozen=True)
class Ports:
    """The ports in one transaction."""

    pipelines: Pipelines
    runs: Runs
    causes: Causes


Open = Callable[[], AbstractAsyncContextManager[Ports]]

LATER = examples.NOON + timedelta(hours=1)


@pytest.fixture
async def transaction(adapters: Adapters) -> Open:
    """Opens a transaction with the ports bound to it."""
    return await adapters(
        TrainingRow,
        Ports(InMemoryPipelines(), InMemoryRuns(), InMemoryCauses()),
        lambda session: Ports(store.SqlPipelines(session), store.SqlRuns(session), store.SqlCauses(session)),
    )


def succeeded(number: int, *, version: int, kind: TriggerKind = TriggerKind.DATA, labels: int = 0) -> Run:
    run = examples.run(number, kind=kind, labels=labels)
    spec = specify(run, examples.pipeline(), examples.dataset(version), "/store/runs/x")
    return run.pin(spec).run.submitted(examples.NOON).run.succeed(examples.result(), LATER).run


async def test_pipeline_comes_back_as_it_was_kept(transaction: Open) -> None:
    pipeline = examples.pipeline()
    async with transaction() as ports:
        await ports.pipelines.save(pipeline)

    async with transaction() as ports:
        assert await ports.pipelines.get(examples.NAME) == pipeline
        assert await ports.pipelines.claim(examples.NAME) == pipeline
        assert await ports.pipelines.get("trains") is None


async def test_revisions_stay_as_they_came_into_force(transaction: Open) -> None:
    first = examples.pipeline()
    champion = ChampionRef(version=1, bundle_uri="/store/runs/x/bundle", bundle_digest=examples.digest("b"))
    second = first.model_copy(update={"revision": 2, "code": examples.code("f"), "champion": champion})

    for change in (first, first.model_copy(update={"champion": champion}), second):
        async with transaction() as ports:
            await ports.pipelines.save(change)

    async with transaction() as ports:
        assert await ports.pipelines.get(examples.NAME) == second
        assert await ports.pipelines.revisions(examples.NAME) == [second, first]
        assert await ports.pipelines.revisions("trains") == []


async def test_pipelines_are_listed_by_name(transaction: Open) -> None:
    async with transaction() as ports:
        await ports.pipelines.save(examples.pipeline(name="trains"))
        await ports.pipelines.save(examples.pipeline(name="flights"))

    async with transaction() as ports:
        assert [pipeline.name for pipeline in await ports.pipelines.all()] == ["flights", "trains"]


async def test_newest_dataset_is_the_one_with_the_highest_version(transaction: Open) -> None:
    async with transaction() as ports:
        await ports.pipelines.add_dataset(examples.NAME, examples.dataset(2, new_rows=20))
        await ports.pipelines.add_dataset(examples.NAME, examples.dataset(1, new_rows=10))
        await ports.pipelines.add_dataset(examples.NAME, examples.dataset(2, new_rows=20))

    async with transaction() as ports:
        assert await ports.pipelines.dataset(examples.NAME) == examples.dataset(2, new_rows=20)
        assert await ports.pipelines.dataset(examples.NAME, 1) == examples.dataset(1, new_rows=10)
        assert await ports.pipelines.dataset(examples.NAME, 3) is None
        assert await ports.pipelines.dataset("trains") is None
        assert [await ports.pipelines.new_rows(examples.NAME, after) for after in (0, 1, 2)] == [30, 20, 0]


async def test_run_comes_back_as_it_was_kept(transaction: Open) -> None:
    run = succeeded(1, version=1)
    async with transaction() as ports:
        await ports.runs.save(examples.run(1))
    async with transaction() as ports:
        await ports.runs.save(run)

    async with transaction() as ports:
        assert await ports.runs.get(run.run_id) == run
        assert await ports.runs.claim(run.run_id) == run
        assert await ports.runs.get(UUID(int=0)) is None


async def test_pipeline_never_has_two_unfinished_runs(transaction: Open) -> None:
    async with transaction() as ports:
        await ports.runs.save(examples.run(1))

    with pytest.raises(TransientError, match="run active"):
        async with transaction() as ports:
            await ports.runs.save(examples.run(2))

    async with transaction() as ports:
        assert [run.run_id for run in await ports.runs.unfinished()] == [examples.run(1).run_id]


async def test_unfinished_runs_are_the_active_ones_of_their_pipelines(transaction: Open) -> None:
    flights, trains = examples.run(2), examples.run(1, name="trains")
    async with transaction() as ports:
        for run in (flights, trains, succeeded(3, version=1)):
            await ports.runs.save(run)

    async with transaction() as ports:
        assert await ports.runs.unfinished() == [trains, flights]
        assert await ports.runs.active("flights") == flights
        assert await ports.runs.active("boats") is None
    async with transaction() as ports:
        await ports.runs.save(flights.fail(FailureReason.CANCELLED, "", LATER).run)
        assert await ports.runs.active("flights") is None


async def test_recent_runs_come_newest_first(transaction: Open) -> None:
    async with transaction() as ports:
        for number in (2, 3, 1):
            await ports.runs.save(succeeded(number, version=1))
        await ports.runs.save(examples.run(4, name="trains"))

    async with transaction() as ports:
        chosen = await ports.runs.recent(examples.NAME, limit=2)
        assert [run.cause.message_id for run in chosen] == ["message-3", "message-2"]
        assert len(await ports.runs.recent(None, limit=10)) == 4


async def test_history_sums_up_what_decisions_need(transaction: Open) -> None:
    failed = examples.run(4, kind=TriggerKind.PERSON, labels=70).fail(FailureReason.CRASHED, "", LATER).run
    async with transaction() as ports:
        for run in (succeeded(1, version=1), succeeded(2, version=3, labels=50), succeeded(3, version=2), failed):
            await ports.runs.save(run)
        await ports.runs.save(examples.run(9, name="trains"))

    async with transaction() as ports:
        assert await ports.runs.history(examples.NAME) == History(
            used=3, last_as_of=examples.run_cause().as_of, labels=70, last_at=failed.created_at
        )
        assert await ports.runs.history("boats") == History()


async def test_what_a_days_runs_took_is_summed_up(transaction: Open) -> None:
    hour = timedelta(hours=1).total_seconds()
    waits = examples.run(4, name="trains", state=RunState.AWAITING_APPROVAL)
    cancelled = examples.run(5).fail(FailureReason.CANCELLED, "", LATER).run
    async with transaction() as ports:
        for run in (succeeded(1, version=1), succeeded(3, version=2), cancelled, waits):
            await ports.runs.save(run)

    async with transaction() as ports:
        all_day = await ports.runs.spent(examples.NAME, examples.NOON)
        later = await ports.runs.spent(examples.NAME, examples.NOON + timedelta(minutes=2))
        assert (all_day.runs, all_day.compute_s, all_day.expected_s) == (2, 2 * hour, hour)
        assert (later.runs, later.compute_s, later.expected_s) == (1, hour, hour)
        assert await ports.runs.spent("trains", examples.NOON) == Spent()


def judged(number: int, outcome: Outcome, *, kind: TriggerKind = TriggerKind.DATA) -> Run:
    at = LATER + timedelta(minutes=number)
    verdict = Verdict(outcome=outcome, version=number, by="gates", reason="because", at=at)
    return succeeded(number, version=1, kind=kind).judged(verdict)


async def test_row_of_refusals_begins_after_the_latest_promotion(transaction: Open) -> None:
    first, promoted, declined = judged(1, Outcome.REFUSED), judged(2, Outcome.PROMOTED), judged(3, Outcome.DECLINED)
    second, third = judged(4, Outcome.REFUSED), judged(5, Outcome.REFUSED)
    async with transaction() as ports:
        for run in (second, first, third, promoted, declined):
            await ports.runs.save(run)

    async with transaction() as ports:
        assert await ports.runs.refused(examples.NAME, after=examples.NOON) == [third, second]
        after_one = LATER + timedelta(minutes=4)
        assert await ports.runs.refused(examples.NAME, after=after_one) == [third]
        assert await ports.runs.refused("trains", after=examples.NOON) == []
        assert await ports.runs.of_version(examples.NAME, 2) == promoted
        assert await ports.runs.of_version(examples.NAME, 9) is None


async def test_persons_run_ends_a_row_of_refusals_and_is_no_part_of_the_next(transaction: Open) -> None:
    at = LATER + timedelta(minutes=2)
    persons = judged(3, Outcome.REFUSED, kind=TriggerKind.PERSON).model_copy(update={"created_at": at})
    async with transaction() as ports:
        for run in (judged(1, Outcome.REFUSED), persons, judged(4, Outcome.REFUSED)):
            await ports.runs.save(run)

    async with transaction() as ports:
        assert await ports.runs.refused(examples.NAME, after=examples.NOON) == [judged(4, Outcome.REFUSED)]


async def test_cause_comes_back_as_it_was_kept(transaction: Open) -> None:
    heard = examples.heard()
    async with transaction() as ports:
        await ports.causes.save(heard)
    run_id = UUID(int=5)
    async with transaction() as ports:
        await ports.causes.save(heard.model_copy(update={"run_id": run_id}))

    async with transaction() as ports:
        kept = await ports.causes.get(examples.NAME, "message-1")
        assert kept == heard.model_copy(update={"run_id": run_id})
        assert await ports.causes.get("trains", "message-1") is None


async def test_due_cause_is_found_until_it_is_not_due(transaction: Open) -> None:
    due = examples.heard(2, due=True, waits_until=LATER, waits_for_data_of=examples.DATA_TIME)
    async with transaction() as ports:
        await ports.causes.save(examples.heard(1))
        await ports.causes.save(due)

    async with transaction() as ports:
        assert await ports.causes.due(examples.NAME) == [due]
        assert await ports.causes.waiting() == [examples.NAME]
        await ports.causes.save(due.model_copy(update={"due": False}))
        assert await ports.causes.due(examples.NAME) == []
        assert await ports.causes.waiting() == []


async def test_schedule_knows_when_it_spoke(transaction: Open) -> None:
    async with transaction() as ports:
        await ports.causes.save(examples.heard(1, kind=TriggerKind.SCHEDULE))
        await ports.causes.save(examples.heard(2, kind=TriggerKind.SCHEDULE))
        await ports.causes.save(examples.heard(3))

    async with transaction() as ports:
        assert await ports.causes.last_scheduled(examples.NAME) == examples.NOON + timedelta(minutes=2)
        assert await ports.causes.last_scheduled("trains") is None


async def test_causes_are_listed_newest_first_and_by_story(transaction: Open) -> None:
    async with transaction() as ports:
        for number in (1, 3, 2):
            await ports.causes.save(examples.heard(number))
        await ports.causes.save(examples.heard(4, pipeline="trains"))

    async with transaction() as ports:
        recent = await ports.causes.recent(examples.NAME, limit=2)
        assert [heard.cause.message_id for heard in recent] == ["message-3", "message-2"]
        assert len(await ports.causes.recent(None, limit=10)) == 4
        assert [heard.pipeline for heard in await ports.causes.of_story("message-4")] == ["trains"]


async def test_migrations_make_the_tables_that_the_rows_describe(database: Database) -> None:
    await migrate(database, Path(store.__file__).parent / "migrations")

    def described(connection) -> dict[str, set[str]]:  # type: ignore[no-untyped-def]
        found = inspect(connection)
        return {
            table.name: {column["name"] for column in found.get_columns(table.name)}
            | {str(index["name"]) for index in found.get_indexes(table.name)}
            for table in TrainingRow.metadata.sorted_tables
        }

    async with database.session(write=False) as session:
        migrated = await (await session.connection()).run_sync(described)
    assert migrated == {
        table.name: {column.name for column in table.columns} | {str(index.name) for index in table.indexes}
        for table in TrainingRow.metadata.sorted_tables
    }
