from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.ingestion import DatasetIngested, DatasetRejected, IngestMode, Rule
from contracts.pipeline import ColumnType
from everloop import storage
from services.chassis.errors import TransientError
from services.ingestion.domain import Batch, BatchState
from services.ingestion.intake import Intake, Limits
from services.ingestion.spool import Spool
from tests.fakes.ingestion import examples
from tests.fakes.ingestion.archive import InMemoryArchive
from tests.fakes.ingestion.lake import InMemoryLake
from tests.fakes.ingestion.sources import InMemorySources
from tests.fakes.ingestion.work import InMemoryWork


class World:
    """An intake with everything around it in memory, and a clock that can be set."""

    def __init__(self, spool: Path) -> None:
        self.work, self.lake, self.archive, self.sources = (
            InMemoryWork(),
            InMemoryLake(),
            InMemoryArchive(),
            InMemorySources(),
        )
        self.now = examples.NOW
        limits = Limits(max_expanded_bytes=1 << 20, max_attempts=3, concurrency=2)
        self.intake = Intake(
            self.lake, self.archive, self.sources, limits=limits, spool=Spool(spool), clock=lambda: self.now
        )

    async def receive(self, data: bytes | None, uri: str = "/data/parcels.parquet", **changes: object) -> Batch:
        if data is not None:
            self.sources.files[uri] = data
        batch = examples.batch(uri, **changes)
        await self.work.batches.add(batch)
        return batch

    async def run(self) -> None:
        """Step until nothing is left to do, however long things are put off."""
        for _ in range(100):
            if not await self.work.batches.heads():
                return
            await self.intake.step(self.work)  # type: ignore[arg-type]
            self.now += timedelta(minutes=10)
        raise AssertionError("a batch does not come to an end")

    async def state(self, batch: Batch) -> BatchState:
        found = await self.work.batches.get(batch.batch_id)
        assert found is not None
        return found.state


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_batch_becomes_version_one(world: World) -> None:
    data = examples.parquet()
    batch = await world.receive(data)

    await world.run()

    (version,) = await world.work.versions.all(examples.PIPELINE)
    assert world.work.said == [
        (
            DatasetIngested(
                pipeline=examples.PIPELINE,
                dataset_version=1,
                dataset_digest=storage.digest(data),
                table_uri="memory://parcels",
                delta_version=0,
                mode=IngestMode.APPEND,
                raw_uri=version.raw_uri,
                raw_digest=storage.digest(data),
                new_rows=6,
                rows=6,
                profile_uri="memory://profiles/parcels/1.json",
                first_event=examples.START,
                last_event=examples.START + timedelta(hours=5),
            ),
            batch.cause,
        )
    ]
    assert world.archive.files[version.raw_uri] == data
    assert (await world.lake.read(version)).equals(examples.rows())
    assert await world.state(batch) is BatchState.INGESTED


async def test_same_bytes_again_say_nothing(world: World) -> None:
    await world.receive(examples.parquet())
    second = await world.receive(examples.parquet(), "/data/copy.parquet")

    await world.run()

    assert len(world.work.facts) == 1
    assert await world.state(second) is BatchState.DUPLICATE


async def test_batches_of_one_pipeline_keep_their_order(world: World) -> None:
    for place in range(4):
        await world.receive(examples.parquet(examples.rows(first=6 * place)), f"/data/{place}.parquet")

    await world.run()

    facts = world.work.facts
    assert [fact.dataset_version for fact in facts] == [1, 2, 3, 4]
    assert [fact.rows for fact in facts] == [6, 12, 18, 24]
    assert [fact.first_event for fact in facts] == sorted(fact.first_event for fact in facts)


async def test_replacement_starts_the_dataset_anew(world: World) -> None:
    for mode, first in (
        (IngestMode.APPEND, 0),
        (IngestMode.APPEND, 6),
        (IngestMode.REPLACE, 0),
        (IngestMode.APPEND, 6),
    ):
        await world.receive(examples.parquet(examples.rows(first=first)), f"/data/{first}.parquet", mode=mode)

    await world.run()

    first, second, third, fourth = world.work.facts
    assert [fact.rows for fact in world.work.facts] == [6, 12, 6, 12]
    assert third.dataset_digest == first.dataset_digest
    assert fourth.dataset_digest == second.dataset_digest


async def test_broken_contract_is_said_with_every_reason_and_quarantined(world: World) -> None:
    harmed = examples.rows(weight_kg=pa.array([99.0, 1, 1, 1, 1, 1]), carrier=pa.array(["mule", *["air"] * 5]))
    batch = await world.receive(examples.csv(harmed), "/data/harmed.csv")

    await world.run()

    (fact,) = world.work.facts
    assert isinstance(fact, DatasetRejected)
    assert [violation.rule for violation in fact.violations] == [Rule.RANGE, Rule.CATEGORY]
    assert fact.raw_uri in world.archive.files
    assert (await world.archive.quarantined(fact.quarantine_uri or "", limit=9)).column("parcel").to_pylist() == ["0"]
    assert await world.work.versions.all(examples.PIPELINE) == []
    assert await world.state(batch) is BatchState.REJECTED


@pytest.mark.parametrize(
    ("data", "uri", "rule"),
    [
        (None, "/data/gone.parquet", Rule.READABLE),
        (b"", "/data/empty.csv", Rule.READABLE),
        (b"no parquet", "/data/bad.parquet", Rule.READABLE),
        (b"a,b", "/data/what.xlsx", Rule.READABLE),
        (b"a,b\n1,2\n", "/data/other.csv", Rule.MISSING_COLUMN),
    ],
)
async def test_bad_input_is_a_fact_and_the_queue_goes_on(
    world: World, data: bytes | None, uri: str, rule: Rule
) -> None:
    await world.receive(data, uri)
    await world.receive(examples.parquet())

    await world.run()

    bad, good = world.work.facts
    assert isinstance(bad, DatasetRejected)
    assert bad.violations[0].rule is rule
    assert isinstance(good, DatasetIngested)


async def test_bytes_other_than_promised_are_refused(world: World) -> None:
    await world.receive(examples.parquet(), expected_digest=examples.DIGEST)

    await world.run()

    (fact,) = world.work.facts
    assert isinstance(fact, DatasetRejected)
    assert fact.violations[0].rule is Rule.DIGEST
    assert fact.raw_digest == storage.digest(examples.parquet())


async def test_contract_that_no_longer_fits_the_table_asks_for_a_replacement(world: World) -> None:
    await world.receive(examples.parquet())
    columns = [
        column.model_copy(update={"type": ColumnType.NUMBER}) if column.name == "parcel" else column
        for column in examples.contract().columns
    ]
    retyped = examples.contract(columns=tuple(columns))
    await world.receive(examples.parquet(examples.rows(first=6)), "/data/next.parquet", contract=retyped)
    await world.receive(
        examples.parquet(examples.rows(first=6)), "/data/next.parquet", contract=retyped, mode=IngestMode.REPLACE
    )

    await world.run()

    _, refused, replaced = world.work.facts
    assert isinstance(refused, DatasetRejected)
    assert refused.schema_changes == ("retyped column parcel: the dataset holds int64, the contract says double",)
    assert isinstance(replaced, DatasetIngested)


async def test_source_that_does_not_answer_is_asked_again(world: World) -> None:
    await world.receive(examples.parquet())
    world.sources.outages = [TransientError("source_unavailable")] * 2

    await world.run()

    assert isinstance(world.work.facts[0], DatasetIngested)


async def test_source_that_never_answers_does_not_block_the_queue(world: World) -> None:
    await world.receive(examples.parquet(), "/data/far.parquet")
    await world.receive(examples.parquet())
    world.sources.outages = [TransientError("source_unavailable")] * 3

    await world.run()

    far, near = world.work.facts
    assert isinstance(far, DatasetRejected)
    assert "tried 3 times" in far.violations[0].detail
    assert isinstance(near, DatasetIngested)


async def test_waiting_batch_is_left_alone_until_its_time(world: World) -> None:
    batch = await world.receive(examples.parquet())
    world.sources.outages = [TransientError("source_unavailable")]
    await world.intake.step(world.work)  # type: ignore[arg-type]

    await world.intake.step(world.work)  # type: ignore[arg-type]

    found = await world.work.batches.get(batch.batch_id)
    assert found is not None
    assert (found.state, found.attempts, found.last_error) == (BatchState.RECEIVED, 1, "source unavailable")


def fail_once(target: object, name: str, *, after: bool) -> None:
    """Let a method fail at its first call, before or after doing its work, as a crash would."""
    method: Callable[..., object] = getattr(target, name)

    async def crashing(*arguments: object, **options: object) -> object:
        setattr(target, name, method)
        if after:
            await method(*arguments, **options)  # type: ignore[misc]
        raise TransientError("crash")

    setattr(target, name, crashing)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("port", "method"),
    [("sources", "fetch"), ("archive", "keep"), ("archive", "raw"), ("lake", "write"), ("archive", "put_profile")],
)
async def test_interrupted_anywhere_a_batch_is_one_version_and_one_fact(
    world: World, port: str, method: str, after: bool
) -> None:
    await world.receive(examples.parquet())
    fail_once(getattr(world, port), method, after=after)

    await world.run()

    (version,) = await world.work.versions.all(examples.PIPELINE)
    assert len(world.work.facts) == 1
    assert version.rows == (await world.lake.read(version)).num_rows == 6


async def test_second_instance_that_is_behind_says_nothing(world: World) -> None:
    batch = await world.receive(examples.parquet())
    stale = replace(batch)
    await world.run()

    await world.intake._advance(world.work, stale)  # type: ignore[arg-type]  # a step that read its batch long ago

    assert len(world.work.facts) == 1


async def test_fault_that_stays_is_said_and_does_not_block_the_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_on_bad(*arguments: object, **_: object) -> object:
        raise KeyError("a bug")

    await world.receive(examples.parquet())
    monkeypatch.setattr("services.ingestion.intake.judge", break_on_bad)

    await world.run()

    (fact,) = world.work.facts
    assert isinstance(fact, DatasetRejected)
    assert "KeyError" in fact.violations[0].detail
