"""One suite for the ports of monitoring: in memory, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pytest

from contracts.monitoring import DriftKind, FeatureShift
from contracts.serving import PredictionBatch
from services.chassis.database import Database
from services.monitoring.domain import Join, Label, Monitor, WatchedVersion, Window, instant, instants
from services.monitoring.drift import DriftOutcome, DriftVerdict
from services.monitoring.ports import Labels, Monitors, Predictions, Versions, Windows
from services.monitoring.quality import QualityOutcome, QualityVerdict
from services.monitoring.served import Served
from tests.fakes.monitoring import examples
from tests.fakes.monitoring.references import InMemoryReferences
from tests.fakes.monitoring.stores import sql_work
from tests.fakes.monitoring.world import SAID_AT, World, cause

START = instant(examples.START)
HOUR = 3_600_000_000
PIPELINE = examples.PIPELINE


class Ports(Protocol):
    def port(self, protocol: type) -> Any: ...


class Stores(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Ports]: ...


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def stores(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield World()
        return
    url = f"sqlite:///{tmp_path / 'x.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url, schema="monitoring")
    yield await sql_work(database, InMemoryReferences())
    await database.close()


@asynccontextmanager
async def prepared(stores: Stores) -> AsyncIterator[tuple[Ports, WatchedVersion]]:
    """A transaction of a pipeline with one version that has a reference."""
    async with stores.transaction() as ports:
        if not await ports.port(Monitors).lock(PIPELINE):
            await ports.port(Monitors).save(Monitor(PIPELINE, examples.definition()))
        version = await ports.port(Versions).see(PIPELINE, 1)
        if not version.baseline:
            version = version.in_bundle("/bundle", examples.digest())
            version = await ports.port(Versions).watch(version, examples.reference(blocks=3), SAID_AT)
        yield ports, version


def served(version: WatchedVersion, *batches: PredictionBatch) -> Served:
    return Served(version, "message", "replica-1", batches)


async def test_a_pipeline_comes_back_as_it_was_saved(stores: Stores) -> None:
    monitor = Monitor(PIPELINE, examples.definition(), 5, 2**40, 3, tuple(range(64)), cause("a"), cause("b"))

    async with stores.transaction() as ports:
        assert await ports.port(Monitors).lock(PIPELINE) is None
        await ports.port(Monitors).save(replace(monitor, watermark=None, served_by=None))
        await ports.port(Monitors).save(monitor)

    async with stores.transaction() as ports:
        assert await ports.port(Monitors).get(PIPELINE) == await ports.port(Monitors).lock(PIPELINE) == monitor
        assert await ports.port(Monitors).get("other") is None


async def test_a_version_is_known_from_the_first_time_it_is_seen(stores: Stores) -> None:
    async with stores.transaction() as ports:
        second = await ports.port(Versions).see(PIPELINE, 2)
        first = await ports.port(Versions).see(PIPELINE, 1)
        other = await ports.port(Versions).see("other", 1)

    async with stores.transaction() as ports:
        assert await ports.port(Versions).see(PIPELINE, 2) == second
        assert await ports.port(Versions).all(PIPELINE) == [first, second]
    assert len({first.key, second.key, other.key}) == 3


async def test_a_reference_comes_back_ready_to_count_with(stores: Stores) -> None:
    async with prepared(stores) as (ports, _):
        pass

    async with stores.transaction() as ports:
        found = await ports.port(Versions).see(PIPELINE, 1)
        assert found.baseline.reference == examples.reference(blocks=3)
        assert found.baseline.inputs[0].block_counts.sum() == 3 * 200
        assert (found.watched_since, found.bundle_uri, found.bundle_digest) == (SAID_AT, "/bundle", examples.digest())


async def test_predictions_are_kept_once(stores: Stores) -> None:
    batch = examples.hour(0, rows=5)
    async with prepared(stores) as (ports, version):
        assert (await ports.port(Predictions).add(served(version, batch))).tolist() == [True] * 5

    more = examples.batch(["p0-1", "new", "new", "p0-4"], [examples.START] * 4, [0.5] * 4)
    async with prepared(stores) as (ports, version):
        assert (await ports.port(Predictions).add(served(version, more))).tolist() == [False, True, False, False]

    async with prepared(stores) as (ports, version):
        log = [(one.batches, new.tolist()) async for one, new in ports.port(Predictions).log(version)]
        assert log == [((batch,), [True] * 5), ((more,), [False, True, False, False])]


async def test_a_prediction_comes_back_with_all_there_is_to_know(stores: Stores) -> None:
    first, second = examples.hour(0, rows=3), examples.hour(1, rows=3)
    said = [Label(START, START, 0.0), Label(START + 1, START, 1.0)]
    async with prepared(stores) as (ports, version):
        await ports.port(Predictions).add(served(version, first, second))
        await ports.port(Labels).keep(PIPELINE, [("p1-2", label) for label in reversed(said)])
        await ports.port(Predictions).join([Join("p1-2", version.key, START, said[1])])

    async with stores.transaction() as ports:
        record = await ports.port(Predictions).get("p1-2")
        assert await ports.port(Predictions).get("p9-9") is None
    assert (record.pipeline, record.version, record.replica) == (PIPELINE, 1, "replica-1")
    assert (record.event_time, record.served_at) == (second.event_times[2], second.served_at)
    assert record.score == second.scores[2]
    assert record.inputs == {name: values[2] for name, values in second.inputs.items()}
    assert record.traceparent == second.traceparent
    assert (record.label, record.history) == (said[1], tuple(said))


async def test_predictions_are_found_by_pipeline_and_id_with_the_label_that_counts(stores: Stores) -> None:
    label = Label(START + 9, START, 1.0)
    async with prepared(stores) as (ports, version):
        await ports.port(Predictions).add(served(version, examples.hour(0, rows=3)))
        await ports.port(Predictions).join([Join("p0-1", version.key, START, Label(START, START, 0.0))])
        await ports.port(Predictions).join([Join("p0-1", version.key, START, label)])
        await ports.port(Predictions).join([])

    async with prepared(stores) as (ports, version):
        found = await ports.port(Predictions).find(PIPELINE, ["p0-0", "p0-1", "unknown"])
        assert await ports.port(Predictions).find("other", ["p0-0"]) == {}
    assert found.keys() == {"p0-0", "p0-1"}
    assert {prediction.version_key for prediction in found.values()} == {version.key}
    assert (found["p0-0"].label, found["p0-1"].label) == (None, label)
    assert found["p0-0"].event_at == START


async def test_labelled_predictions_are_those_of_one_version_in_a_stretch_of_time(stores: Stores) -> None:
    batch = examples.hour(0, rows=4)
    other = examples.hour(0, rows=4, version=2, prefix="q")
    async with prepared(stores) as (ports, version):
        second = await ports.port(Versions).see(PIPELINE, 2)
        await ports.port(Predictions).add(served(version, batch))
        await ports.port(Predictions).add(served(second, other))
        joins = [(id_, key) for id_, key in zip(batch.prediction_ids, [version.key] * 4, strict=True)]
        joins.append(("q0-1", second.key))
        await ports.port(Predictions).join(
            [Join(id_, key, START, Label(START, START, float(row % 2))) for row, (id_, key) in enumerate(joins)]
        )

    async with prepared(stores) as (ports, version):
        found = await ports.port(Predictions).labelled(version.key, START, START + HOUR * 3 // 4)
        none = await ports.port(Predictions).labelled(version.key, START + HOUR, START + 2 * HOUR)
    order = np.argsort(found.scores)
    expected = sorted(zip(batch.scores[:3], (0.0, 1.0, 0.0), strict=True))
    assert list(zip(found.scores[order].tolist(), found.labels[order].tolist(), strict=True)) == expected
    assert sorted(found.event_times.tolist()) == instants(batch.event_times[:3]).tolist()
    assert len(none.scores) == 0


async def test_the_newest_predictions_of_a_version_are_listed_by_their_events(stores: Stores) -> None:
    async with prepared(stores) as (ports, version):
        second = await ports.port(Versions).see(PIPELINE, 2)
        await ports.port(Predictions).add(served(version, examples.hour(1, rows=2), examples.hour(0, rows=2)))
        await ports.port(Predictions).add(served(second, examples.hour(2, rows=1, version=2, prefix="q")))

    async with prepared(stores) as (ports, version):
        assert await ports.port(Predictions).newest(version.key, limit=3) == ["p1-1", "p1-0", "p0-1"]


async def test_every_label_is_kept_and_the_latest_counts(stores: Stores) -> None:
    early, late, corrected = Label(START, 1, 0.0), Label(START + 5, 1, 0.0), Label(START + 5, 2, 1.0)
    async with stores.transaction() as ports:
        await ports.port(Labels).keep(PIPELINE, [("a", late), ("b", early), ("a", late)])
    async with stores.transaction() as ports:
        await ports.port(Labels).keep(PIPELINE, [("a", corrected), ("a", early), ("a", late)])

    async with stores.transaction() as ports:
        assert await ports.port(Labels).of(PIPELINE, ["a", "b", "c"]) == {"a": corrected, "b": early}
        assert await ports.port(Labels).of("other", ["a"]) == {}


def same(window: Window) -> dict[str, object]:
    """What a window holds, so that two can be compared."""
    fields = {name: getattr(window, name) for name in Window.__slots__}
    return {**fields, "counts": window.counts.tolist()}


async def test_windows_come_back_as_they_were_saved(stores: Stores) -> None:
    drift = DriftVerdict(
        outcome=DriftOutcome.ALARM,
        rows=9,
        blocks=3,
        false_alarm_rate=0.3,
        finest_rate=0.25,
        shifts=(FeatureShift(feature="amount", effect=0.1, score=2.5),),
    )
    quality = QualityVerdict(outcome=QualityOutcome.GOOD, metric="auc", predictions=9, labelled=8, value=0.8)
    async with prepared(stores) as (ports, version):
        fresh = version.open_window(START)
        judged = replace(
            version.open_window(START + HOUR).with_rows(np.arange(len(fresh.counts)) + 2**40, 9),
            drift={DriftKind.INPUT: drift},
            drift_rows=9,
            quality=quality,
            quality_rows=9,
            quality_changes=0,
            told=frozenset({"input"}),
        )
        await ports.port(Windows).save([judged, fresh])

    async with prepared(stores) as (ports, version):
        found = await ports.port(Windows).get(version.key, [START + HOUR, START + 2 * HOUR])
        assert found.keys() == {START + HOUR}
        assert same(found[START + HOUR]) == same(judged)
        await ports.port(Windows).save([found[START + HOUR].with_labels(new=1, changes=2)])

    async with prepared(stores) as (ports, version):
        listed = await ports.port(Windows).of(version.key)
    assert [(window.start, window.labelled, window.label_changes) for window in listed] == [
        (START, 0, 0),
        (START + HOUR, 1, 2),
    ]


async def test_closed_windows_are_due_until_all_they_hold_is_judged(stores: Stores) -> None:
    async def due() -> list[int]:
        async with stores.transaction() as ports:
            found = await ports.port(Windows).due()
        assert {(pipeline, number) for pipeline, number, _ in found} <= {(PIPELINE, 1)}
        return [(window.start - START) // HOUR for _, _, window in found]

    async with prepared(stores) as (ports, version):
        nothing = np.zeros(version.baseline.width, np.int64)
        windows = [version.open_window(START + number * HOUR).with_rows(nothing, 10) for number in (2, 1, 0)]
        await ports.port(Windows).save(windows)
    assert await due() == []

    async with prepared(stores) as (ports, _):
        monitor = await ports.port(Monitors).lock(PIPELINE)
        await ports.port(Monitors).save(replace(monitor, watermark=START + 2 * HOUR))
    assert await due() == [0, 1]

    async with prepared(stores) as (ports, _):
        await ports.port(Windows).save([replace(windows[2], drift_rows=10)])
    assert await due() == [1]

    async with prepared(stores) as (ports, _):
        monitor = await ports.port(Monitors).lock(PIPELINE)
        await ports.port(Monitors).save(replace(monitor, label_watermark=START))
    assert await due() == [0, 1]

    quality = QualityVerdict(outcome=QualityOutcome.GOOD, metric="auc", predictions=10, labelled=8)
    settled = replace(windows[2], drift_rows=10, quality=quality, quality_rows=10, quality_changes=0)
    async with prepared(stores) as (ports, _):
        await ports.port(Windows).save([settled])
    assert await due() == [1]


async def test_what_fails_leaves_nothing_behind(stores: Stores) -> None:
    if isinstance(stores, World):
        pytest.skip("memory keeps no transactions")

    async def add_and_fail() -> None:
        async with prepared(stores) as (ports, version):
            await ports.port(Predictions).add(served(version, examples.hour(0, rows=3)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()

    async with stores.transaction() as ports:
        assert await ports.port(Monitors).get(PIPELINE) is None
        assert await ports.port(Predictions).get("p0-0") is None
