"""Tables keep every batch once, in memory and in Delta Lake."""

from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from contracts.ingestion import IngestMode
from services.chassis.errors import TransientError
from services.ingestion.lake import DeltaLake
from services.ingestion.ports import Lake, TableCommit
from tests.fakes.ingestion import examples
from tests.fakes.ingestion.lake import InMemoryLake

PIPELINE = examples.PIPELINE


@pytest.fixture(params=["memory", "delta"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return InMemoryLake() if request.param == "memory" else DeltaLake(str(tmp_path / "lake"))


async def write(lake: Lake, rows: pa.Table, version: int, mode: IngestMode = IngestMode.APPEND) -> TableCommit:
    return await lake.write(PIPELINE, rows, mode=mode, batch_id=uuid4(), version=version)


async def read(lake: Lake, commit: TableCommit) -> pa.Table:
    version = examples.version(table_uri=commit.table_uri, delta_version=commit.delta_version)
    return (await lake.read(version)).sort_by("parcel")


async def test_rows_come_back_in_their_types(lake: Lake) -> None:
    commit = await write(lake, examples.rows(), 1)

    assert (await read(lake, commit)).equals(examples.rows())


async def test_older_versions_stay_readable_after_append_and_replace(lake: Lake) -> None:
    first = await write(lake, examples.rows(3), 1)
    second = await write(lake, examples.rows(3, first=3), 2)
    third = await write(lake, examples.rows(2, first=9), 3, IngestMode.REPLACE)

    assert (await read(lake, first)).equals(examples.rows(3))
    assert (await read(lake, second)).equals(examples.rows(6))
    assert (await read(lake, third)).equals(examples.rows(2, first=9))


async def test_what_was_written_is_found_by_its_batch(lake: Lake) -> None:
    batch_id = uuid4()
    assert await lake.find(PIPELINE, batch_id=batch_id, version=1) is None

    commit = await lake.write(PIPELINE, examples.rows(), mode=IngestMode.APPEND, batch_id=batch_id, version=1)

    assert await lake.find(PIPELINE, batch_id=batch_id, version=1) == commit
    assert await lake.find(PIPELINE, batch_id=uuid4(), version=2) is None


async def test_version_is_written_by_one_batch_only(lake: Lake) -> None:
    await write(lake, examples.rows(), 1)

    with pytest.raises(TransientError, match="another batch"):
        await lake.find(PIPELINE, batch_id=uuid4(), version=1)


async def test_new_column_is_missing_in_older_rows(lake: Lake) -> None:
    await write(lake, examples.rows(2), 1)
    wider = examples.rows(2, first=2).append_column("colour", pa.array(["red", "blue"]))

    commit = await write(lake, wider, 2)

    assert (await read(lake, commit)).column("colour").to_pylist() == [None, None, "red", "blue"]


async def test_retyped_columns_are_named(lake: Lake) -> None:
    assert await lake.retyped(PIPELINE, examples.rows().schema) == []
    await write(lake, examples.rows(), 1)

    retyped = await lake.retyped(PIPELINE, examples.rows(parcel=pa.array(["a"] * 6)).schema)

    assert retyped == ["parcel: the dataset holds int64, the contract says string"]
    assert await lake.retyped(PIPELINE, examples.rows().schema) == []


async def test_of_two_writers_of_one_version_one_gets_through(tmp_path: Path) -> None:
    lake = DeltaLake(str(tmp_path / "lake"))
    await write(lake, examples.rows(2), 1)
    behind = lake._open(PIPELINE)  # a writer that looked at the table before the other one wrote
    await write(lake, examples.rows(2, first=2), 2)
    lake._open = lambda _: behind  # type: ignore[method-assign]

    with pytest.raises(TransientError, match="table busy"):
        await write(lake, examples.rows(2, first=4), 2)
