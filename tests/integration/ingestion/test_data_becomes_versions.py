"""A file that keeps its contract becomes one version of its dataset, and that is said once."""

from uuid import uuid4

import httpx
from deltalake import DeltaTable

from contracts.ingestion import DatasetIngested, DatasetRejected, IngestDataset, IngestMode
from everloop import storage
from tests.fakes.ingestion import examples
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.ingestion.parcels import parcels


async def test_file_becomes_a_version_that_can_be_read(world: World) -> None:
    async with parcels(world) as service:
        await service.register()
        await service.ingest("january.csv.gz", examples.csv_gz())

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetIngested)
        assert (fact.dataset_version, fact.rows) == (1, 6)
        assert storage.read_bytes(fact.raw_uri) == examples.csv_gz()
        assert fact.dataset_digest == fact.raw_digest == storage.digest(examples.csv_gz())
        table = DeltaTable(fact.table_uri, version=fact.delta_version).to_pyarrow_table()
        assert table.equals(examples.rows())


async def test_same_bytes_and_redelivered_messages_say_nothing_again(world: World) -> None:
    async with parcels(world) as service:
        await service.register()
        await service.ingest("january.parquet", examples.parquet(), message_id="january")
        await service.ingest("january.parquet", examples.parquet(), message_id="january")
        await service.ingest("copy-of-january.parquet", examples.parquet())
        await service.ingest("february.parquet", examples.parquet(examples.rows(first=6)))

        january, february = await service.facts(2)
        await service.idle()

        assert [(fact.dataset_version, fact.rows) for fact in (january, february)] == [(1, 6), (2, 12)]
        assert [batch["state"] for batch in (await service.get("/batches")).json()] == [
            "ingested",
            "duplicate",
            "ingested",
        ]
        assert len(await world.envelopes(DatasetIngested)) == 2


async def test_versions_of_one_dataset_come_in_the_order_of_their_commands(sqlite_world: World) -> None:
    async with parcels(sqlite_world) as service:
        await service.register()
        for place in range(8):
            await service.ingest(f"{place}.csv", examples.csv(examples.rows(3, first=3 * place)))

        facts = await service.facts(8)

        assert [fact.dataset_version for fact in facts] == list(range(1, 9))
        assert [fact.first_event for fact in facts] == sorted(fact.first_event for fact in facts)


async def test_command_heard_before_its_pipeline_waits_for_it(sqlite_world: World) -> None:
    async with parcels(sqlite_world) as service:
        await service.ingest("january.parquet", examples.parquet())
        await service.register()

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetIngested)


async def test_plain_json_from_a_stranger_is_enough(sqlite_world: World) -> None:
    async with parcels(sqlite_world) as service:
        await service.register()
        file = sqlite_world.home / "plain.csv"
        file.write_bytes(examples.csv())
        await sqlite_world.publish_bytes(
            f"{IngestDataset.subject}.{examples.PIPELINE}", b'{"uri": "%s"}' % str(file).encode()
        )

        [fact] = await service.facts(1)

        assert isinstance(fact, DatasetIngested)


async def test_fact_belongs_to_the_story_and_the_trace_of_its_command(sqlite_world: World) -> None:
    async with parcels(sqlite_world) as service:
        await service.register()
        await service.ingest("january.parquet", examples.parquet(), message_id="january")
        await service.facts(1)

    [envelope] = await sqlite_world.envelopes(DatasetIngested)
    [processing] = sqlite_world.spans.named(f"process {IngestDataset.subject}")
    assert (envelope.correlationid, envelope.causationid) == ("january", "january")
    assert processing.context is not None
    assert f"{processing.context.trace_id:032x}" in (envelope.traceparent or "")


async def upload(http: httpx.AsyncClient, **request: object) -> httpx.Response:
    return await http.post(f"/v1/datasets/{examples.PIPELINE}", **request)  # type: ignore[arg-type]


async def known(http: httpx.AsyncClient) -> bool:
    return any(dataset["pipeline"] == examples.PIPELINE for dataset in (await http.get("/v1/datasets")).json())


async def test_uploads_as_a_body_or_as_a_form_become_versions(world: World) -> None:
    async with parcels(world) as service:
        await service.register()
        await eventually(lambda: known(service.http))

        streamed = await upload(service.http, params={"name": "january.parquet"}, content=examples.parquet())
        form = {"file": ("february.csv", examples.csv(examples.rows(first=6)))}
        formed = await upload(service.http, files=form)
        replaced = await upload(
            service.http,
            params={"mode": "replace"},
            content=examples.csv(examples.rows(2)),
            headers={"content-type": "text/csv"},
        )

        facts = await service.facts(3)
        assert [answer.status_code for answer in (streamed, formed, replaced)] == [202, 202, 202]
        assert [(fact.dataset_version, fact.mode, fact.rows) for fact in facts] == [
            (1, IngestMode.APPEND, 6),
            (2, IngestMode.APPEND, 12),
            (3, IngestMode.REPLACE, 2),
        ]
        batch = (await service.get(f"/batches/{formed.json()['batch_id']}")).json()
        assert (batch["state"], batch["dataset_version"], batch["uri"]) == ("ingested", 2, "upload:february.csv")


async def test_upload_that_cannot_be_taken_is_a_problem_at_once(sqlite_world: World) -> None:
    async with parcels(sqlite_world, max_body_bytes=1000) as service:
        await service.register()
        await eventually(lambda: known(service.http))

        unknown = await service.http.post("/v1/datasets/unknown", params={"name": "a.csv"}, content=b"a\n1\n")
        formless = await upload(service.http, params={"name": "a.xlsx"}, content=b"a\n1\n")
        large = await upload(service.http, params={"name": "a.csv"}, content=b"a\n" * 1000)
        empty_form = await upload(service.http, files={"other": ("a.csv", b"a\n1\n")})

        assert [answer.status_code for answer in (unknown, formless, large, empty_form)] == [404, 422, 413, 422]
        assert formless.headers["content-type"] == "application/problem+json"
        assert (await service.get("/batches")).json() == []


async def test_datasets_can_be_looked_at_and_compared(world: World) -> None:
    async with parcels(world) as service:
        await service.register()
        await service.ingest("january.parquet", examples.parquet(examples.rows(6)))
        await service.ingest("february.parquet", examples.parquet(examples.rows(6, first=6)))
        await service.facts(2)

        newest, oldest = (await service.get("/versions")).json()
        profile = (await service.get("/versions/1/profile")).json()
        diff = (await service.get("/diff?from=1&to=2")).json()["diff"]

        assert (newest["version"], oldest["version"]) == (2, 1)
        assert (await service.get("/versions/2")).json() == newest
        assert profile["rows"] == 6
        assert [column["name"] for column in profile["columns"]] == examples.rows().column_names
        assert (diff["rows_before"], diff["rows_after"], diff["rows_added"], diff["rows_removed"]) == (6, 12, 6, 0)
        assert {column["name"] for column in diff["columns"]} == set(examples.rows().column_names)
        [dataset] = (await service.http.get("/v1/datasets")).json()
        assert (dataset["pipeline"], dataset["versions"], dataset["newest"]["rows"]) == ("parcels", 2, 12)


async def test_what_is_not_there_is_a_problem(sqlite_world: World) -> None:
    async with parcels(sqlite_world, max_diff_rows=1) as service:
        await service.register()
        await service.ingest("january.parquet", examples.parquet())
        await service.facts(1)
        [batch] = (await service.get("/batches")).json()

        answers = [
            await service.get("/versions/9"),
            await service.get("/diff?from=1&to=2"),
            await service.get(f"/batches/{uuid4()}"),
            await service.get(f"/rejections/{batch['batch_id']}"),
            await service.http.get("/v1/datasets/unknown/versions"),
            await service.get("/diff?from=1&to=1"),
            await service.get("/batches?limit=0"),
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404, 404, 404, 409, 422]
        assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
        assert await sqlite_world.said(DatasetRejected) == []
