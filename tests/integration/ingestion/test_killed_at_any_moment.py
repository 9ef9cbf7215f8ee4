"""Killed with SIGKILL wherever it hurts, ingestion makes one version and one event of each batch."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from deltalake import DeltaTable

from contracts.ingestion import DatasetIngested
from services.ingestion.settings import IngestionSettings
from tests.fakes.ingestion import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.ingestion.parcels import facts, ingest, registered

CRASHING = "tests.integration.ingestion.crashing"


@asynccontextmanager
async def ingesting(world: World, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ingestion as a process of its own, which is killed at the end."""
    environment = {"PATH": os.environ["PATH"], "EVERLOOP_HOME": str(world.home), "EVERLOOP_NATS_URL": world.broker.url}
    if database_url := world.settings(IngestionSettings).database_url:
        environment["EVERLOOP_DATABASE_URL"] = database_url.get_secret_value()
    world.home.mkdir(exist_ok=True)
    with (world.home / "ingestion.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, env=environment, stderr=log)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def said(world: World, count: int) -> list[DatasetIngested]:
    """Wait for so many facts; every one must be of a version."""

    async def all_said() -> list[DatasetIngested]:
        found = [fact for fact in await facts(world) if isinstance(fact, DatasetIngested)]
        return found if len(found) >= count else []

    return await eventually(all_said, within_s=60)


@pytest.mark.parametrize(
    "crash",
    [
        "services.ingestion.archive StoredArchive keep after",
        "services.ingestion.lake DeltaLake write before",
        "services.ingestion.store SqlVersions add after",
        "services.chassis.bus Bus publish after",
    ],
)
async def test_crash_at_a_known_point_costs_and_doubles_nothing(sqlite_world: World, crash: str) -> None:
    await one_crash(sqlite_world, crash)


async def test_crash_between_table_and_database_costs_and_doubles_nothing(world: World) -> None:
    await one_crash(world, "services.ingestion.lake DeltaLake write after")


async def one_crash(world: World, crash: str) -> None:
    witness = world.home / "crashed"
    await world.publish(registered())
    await ingest(world, "january.parquet", examples.parquet())
    async with ingesting(world, CRASHING, *crash.split(), str(witness)) as doomed:
        async with asyncio.timeout(60):
            assert await doomed.wait() == -signal.SIGKILL
    assert witness.exists()

    async with ingesting(world, CRASHING, *crash.split(), str(witness)):
        await said(world, 1)
        await ingest(world, "february.parquet", examples.parquet(examples.rows(first=6)))
        january, february = await said(world, 2)

    assert (january.dataset_version, january.rows) == (1, 6)
    assert (february.dataset_version, february.rows) == (2, 12)
    table = DeltaTable(february.table_uri)
    assert len(table.history()) == 2
    assert table.to_pyarrow_table().sort_by("parcel").equals(examples.rows(12))


@pytest.mark.slow
async def test_killed_at_random_under_load_every_batch_is_one_version_in_order(sqlite_world: World) -> None:
    batches, moments = 24, random.Random(7)
    await sqlite_world.publish(registered())
    for place in range(batches):
        data = examples.parquet(examples.rows(5, first=5 * place))
        await ingest(sqlite_world, f"{place}.parquet", data)
        if place % 4 == 0:
            await ingest(sqlite_world, f"again-{place}.parquet", data)

    for _ in range(5):
        async with ingesting(sqlite_world, "services.ingestion.main"):
            before = len(await facts(sqlite_world))
            await said(sqlite_world, min(before + moments.randint(1, 3), batches))
    async with ingesting(sqlite_world, "services.ingestion.main"):
        versions = await said(sqlite_world, batches)

    assert [version.dataset_version for version in versions] == list(range(1, batches + 1))
    assert [version.rows for version in versions] == [5 * count for count in range(1, batches + 1)]
    assert [version.first_event for version in versions] == sorted(version.first_event for version in versions)
    table = DeltaTable(versions[-1].table_uri)
    assert len(table.history()) == batches
    assert table.to_pyarrow_table().sort_by("parcel").equals(examples.rows(5 * batches))
