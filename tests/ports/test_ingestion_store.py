"""Pipelines, batches and versions are kept alike in memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.ingestion import IngestMode, Rule, Violation
from services.chassis.database import Database
from services.chassis.schema import migrate
from services.ingestion import store as sql
from services.ingestion.domain import BatchState, Rejection
from services.ingestion.ports import Batches, Pipelines, Versions
from tests.fakes.ingestion import examples
from tests.fakes.ingestion.batches import InMemoryBatches
from tests.fakes.ingestion.pipelines import InMemoryPipelines
from tests.fakes.ingestion.versions import InMemoryVersions

MIGRATIONS = Path(sql.__file__).with_name("migrations")


@dataclass
class Store:
    pipelines: Pipelines
    batches: Batches
    versions: Versions


Opens = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens the store in a transaction that commits at the end of its block."""


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def opens(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opens]:
    if request.param == "memory":
        memory = Store(InMemoryPipelines(), InMemoryBatches(), InMemoryVersions())

        @asynccontextmanager
        async def open_memory() -> AsyncIterator[Store]:
            yield memory

        yield open_memory
        return
    sqlite = f"sqlite:///{tmp_path / 'ingestion.sqlite'}"
    database = Database(
        sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"), schema="ingestion"
    )
    await migrate(database, MIGRATIONS)

    @asynccontextmanager
    async def open_database() -> AsyncIterator[Store]:
        async with database.session() as session:
            yield Store(sql.SqlPipelines(session), sql.SqlBatches(session), sql.SqlVersions(session))
            await session.commit()

    yield open_database
    await database.close()


async def test_contract_in_force_is_the_last_one_put(opens: Opens) -> None:
    async with opens() as store:
        await store.pipelines.put("parcels", examples.contract(min_rows=1))
        await store.pipelines.put("flights", examples.contract())
    async with opens() as store:
        await store.pipelines.put("parcels", examples.contract(min_rows=2, max_age=timedelta(days=1)))

    async with opens() as store:
        assert await store.pipelines.contract("parcels") == examples.contract(min_rows=2, max_age=timedelta(days=1))
        assert await store.pipelines.contract("unknown") is None
        assert list(await store.pipelines.names()) == ["flights", "parcels"]


async def test_batch_comes_back_as_it_was_in_every_state(opens: Opens) -> None:
    rejection = Rejection(
        (Violation(rule=Rule.RANGE, column="weight_kg", rows=2, detail="too heavy"),), "/q.parquet", ("added column x",)
    )
    received = examples.batch(mode=IngestMode.REPLACE, expected_digest=examples.DIGEST)
    steps = [
        received.failed("no answer", now=examples.NOW),
        received.stored(examples.raw_file()),
        received.stored(examples.raw_file()).rejected(rejection),
    ]
    async with opens() as store:
        await store.batches.add(received)
        assert await store.batches.get(received.batch_id) == received

    was = received.state
    for step in steps:
        async with opens() as store:
            assert await store.batches.save(step, was=was)
        async with opens() as store:
            assert await store.batches.get(received.batch_id) == step
        was = step.state


async def test_batch_is_added_once(opens: Opens) -> None:
    batch = examples.batch()
    async with opens() as store:
        await store.batches.add(batch)
        await store.batches.save(batch.stored(examples.raw_file()), was=batch.state)

    async with opens() as store:
        await store.batches.add(batch)

    async with opens() as store:
        assert [found.state for found in await store.batches.of("parcels", limit=9)] == [BatchState.STORED]


async def test_batch_that_was_moved_on_is_not_saved_over(opens: Opens) -> None:
    batch = examples.batch()
    async with opens() as store:
        await store.batches.add(batch)
        assert await store.batches.save(batch.duplicate_of(1), was=BatchState.RECEIVED)

    async with opens() as store:
        assert not await store.batches.save(batch.stored(examples.raw_file()), was=BatchState.RECEIVED)
        assert await store.batches.get(batch.batch_id) == batch.duplicate_of(1)


async def test_head_is_the_oldest_unfinished_batch_of_each_pipeline(opens: Opens) -> None:
    first, second, third = (examples.batch(f"/data/{place}.csv") for place in range(3))
    other = examples.batch(pipeline="flights")
    async with opens() as store:
        for batch in (first, second, other, third):
            await store.batches.add(batch)
        await store.batches.save(first.duplicate_of(1), was=BatchState.RECEIVED)
        await store.batches.save(second.stored(examples.raw_file()), was=BatchState.RECEIVED)

    async with opens() as store:
        heads = {batch.pipeline: batch.batch_id for batch in await store.batches.heads()}
        assert heads == {"parcels": second.batch_id, "flights": other.batch_id}


async def test_batches_are_listed_youngest_first(opens: Opens) -> None:
    batches = [examples.batch(f"/data/{place}.csv") for place in range(3)]
    async with opens() as store:
        for batch in [*batches, examples.batch(pipeline="flights")]:
            await store.batches.add(batch)
        await store.batches.save(batches[0].duplicate_of(1), was=BatchState.RECEIVED)

    async with opens() as store:
        assert list(await store.batches.of("parcels", limit=2)) == [batches[2], batches[1]]
        assert [b.batch_id for b in await store.batches.of("parcels", state=BatchState.DUPLICATE, limit=9)] == [
            batches[0].batch_id
        ]
        assert await store.batches.get(uuid4()) is None


async def test_versions_come_back_oldest_first(opens: Opens) -> None:
    versions = [
        examples.version(1),
        examples.version(2, mode=IngestMode.REPLACE, ignored_columns=("colour",), rows=2**40),
    ]
    async with opens() as store:
        for version in reversed(versions):
            await store.versions.add(version)
        await store.versions.add(replace(examples.version(1), pipeline="flights"))

    async with opens() as store:
        assert list(await store.versions.all("parcels")) == versions
        assert await store.versions.get("parcels", 2) == versions[1]
        assert await store.versions.get("parcels", 3) is None
