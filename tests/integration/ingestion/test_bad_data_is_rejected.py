"""Whatever is wrong with a file is a fact with its reasons; nothing else is disturbed."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.ingestion import DatasetIngested, DatasetRejected, IngestDataset, Rule
from everloop import storage
from tests.fakes.ingestion import examples
from tests.fixtures.services import World
from tests.integration.ingestion.parcels import parcels

BAD_FILES = [
    ("missing.parquet", None, Rule.READABLE, "file unreadable"),
    ("empty.csv", b"", Rule.READABLE, "0 bytes"),
    ("empty.parquet", b"", Rule.READABLE, "0 bytes"),
    ("header.csv", b"parcel,sent_at,weight_kg,carrier,late\n", Rule.MIN_ROWS, "found 0"),
    ("text.parquet", b"this is no parquet", Rule.READABLE, "not a readable parquet file"),
    ("cut.parquet", examples.parquet()[:-30], Rule.READABLE, "not a readable parquet file"),
    ("binary.csv", bytes(range(256)) * 9, Rule.READABLE, "not a readable csv file"),
    ("cut.csv.gz", examples.csv_gz()[:-9], Rule.READABLE, "ends early"),
    ("bomb.csv.gz", gzip.compress(b"a\n" * 4_000_000), Rule.READABLE, "unfolds to more"),
    ("large.csv", examples.csv() * 2000, Rule.READABLE, "file too large"),
    ("ragged.csv", examples.csv() + b"1,2,3\n", Rule.READABLE, "3 fields"),
    ("sheet.xlsx", b"PK", Rule.READABLE, "ending"),
    ("columns.csv", b"a,b\n1,2\n", Rule.MISSING_COLUMN, "no column parcel"),
    ("types.parquet", examples.parquet(examples.rows(parcel=pa.array(["x"] * 6))), Rule.TYPE, "holds string"),
    ("types.csv", examples.csv().replace(b"0.5", b"heavy"), Rule.TYPE, "'heavy'"),
]


async def test_every_kind_of_bad_file_is_rejected_and_the_next_good_one_ingested(world: World) -> None:
    async with parcels(world, max_batch_bytes=200_000, max_expanded_bytes=1_000_000) as service:
        await service.register()
        for name, data, _, _ in BAD_FILES:
            await service.ingest(name, data)
        await service.ingest("good.parquet", examples.parquet())

        *rejected, good = await service.facts(len(BAD_FILES) + 1)

        assert isinstance(good, DatasetIngested)
        for fact, (name, data, rule, detail) in zip(rejected, BAD_FILES, strict=True):
            assert isinstance(fact, DatasetRejected), name
            assert fact.uri.endswith(name)
            assert fact.violations[0].rule is rule, name
            assert detail in fact.violations[0].detail, name
            if fact.raw_uri:
                assert storage.read_bytes(fact.raw_uri) == data
        assert await world.dead_letters() == []
        assert [version["version"] for version in (await service.get("/versions")).json()] == [1]


@pytest.mark.parametrize("uri", ["https://example.org/a.csv", "a.csv", "/proc/self/mem", "file:///etc"])
async def test_uri_that_is_no_file_to_be_read_is_rejected(sqlite_world: World, uri: str) -> None:
    async with parcels(sqlite_world) as service:
        await service.register()
        await sqlite_world.publish(IngestDataset(pipeline=examples.PIPELINE, uri=uri))

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetRejected)
        assert fact.raw_uri is None


async def test_bytes_other_than_promised_are_rejected(sqlite_world: World) -> None:
    file = sqlite_world.home / "a.csv"
    async with parcels(sqlite_world) as service:
        await service.register()
        file.write_bytes(examples.csv())
        await sqlite_world.publish(IngestDataset(pipeline=examples.PIPELINE, uri=str(file), digest=examples.DIGEST))

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetRejected)
        assert fact.violations[0].rule is Rule.DIGEST


async def test_broken_expectations_are_all_named_and_the_rows_can_be_read(world: World) -> None:
    harmed = examples.rows(weight_kg=pa.array([99.0, -1, 1, 1, 1, 1]), carrier=pa.array(["mule", *["air"] * 5]))
    harmed = harmed.append_column("colour", pa.array(["red"] * 6)).drop_columns("late")
    async with parcels(world) as service:
        await service.register()
        await service.ingest("harmed.csv", examples.csv(harmed))

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetRejected)
        assert [(v.rule, v.column, v.rows) for v in fact.violations] == [
            (Rule.RANGE, "weight_kg", 2),
            (Rule.CATEGORY, "carrier", 1),
            (Rule.MISSING_COLUMN, "late", 0),
        ]
        assert fact.schema_changes == ("missing column late (boolean)", "added column colour (string)")
        quarantined = pq.read_table(io.BytesIO(storage.read_bytes(fact.quarantine_uri or ""))).to_pylist()
        assert [row["_everloop_reasons"] for row in quarantined] == [
            ["range: weight_kg", "category: carrier"],
            ["range: weight_kg"],
        ]

        [rejection] = (await service.get("/rejections")).json()
        rows = (await service.get(f"/rejections/{rejection['batch_id']}/rows?limit=1")).json()
        assert rejection["violations"][0]["rule"] == "range"
        assert [(row["_everloop_row"], row["weight_kg"], row["colour"]) for row in rows] == [(1, "99", "red")]
        assert (await service.get(f"/rejections/{rejection['batch_id']}")).json() == rejection


async def test_rejected_data_is_accepted_once_the_contract_allows_it(sqlite_world: World) -> None:
    async with parcels(sqlite_world) as service:
        await service.register(examples.contract(min_rows=7))
        await service.ingest("short.csv", examples.csv())
        await service.facts(1)
        await service.register()
        await service.ingest("short.csv", examples.csv())

        first, second = await service.facts(2)

        assert isinstance(first, DatasetRejected)
        assert isinstance(second, DatasetIngested)
