"""One answer per question from one version, counted where a rollout wants to know."""

import asyncio
import gc
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from contracts.bundle import DataType, TensorSpec
from everloop.bundle.rows import InputError
from services.chassis.telemetry import Telemetry
from services.serving.desired import DesiredVersion, Split, VersionTraffic
from services.serving.replica.answering import Answering
from services.serving.replica.batching import Limits
from services.serving.replica.errors import RequestError
from services.serving.replica.lineup import LoadedVersion
from services.serving.replica.prediction_log import PredictionLog
from services.serving.replica.question import Answer, Question
from services.serving.replica.reading import Reader
from services.serving.replica.shadows import MOST_COPIES
from services.serving.replica.shelf import Shelf
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.test_prediction_log import Bus
from tests.unit.serving.replica.test_shelf import desired, loaded

CHAMPION, CANDIDATE = 1, 2
EDGES = (1500.0,)
ROW = {"distance": 1.5, "hour": None, "carrier": "UA", "weekend": True}

Does = Callable[[Any], Any]


class Replica:
    """The core of a replica, whose models do as they are told."""

    def __init__(self, **limits: Any) -> None:
        self.does: dict[int, Does] = {}
        self.refuses: set[int] = set()
        """Versions that want a column nobody sends."""
        self.shelf = Shelf(self._load)
        self.bus = Bus()
        self.log = PredictionLog(self.bus, pipeline="flights", replica="one", capacity_rows=10**6, flush_s=0.01)
        self.answering = Answering(
            "flights",
            self.shelf,
            self.log,
            Telemetry("serving"),
            trace_ratio=0.0,
            limits=Limits(**limits),
            max_waiting_rows=50,
        )

    def _load(self, one: DesiredVersion, max_golden_difference: float) -> LoadedVersion:
        fine = loaded(one.version)

        def predict(columns: Any) -> Any:
            return self.does.get(one.version, fine.predict)(columns)

        more = (TensorSpec(name="more", datatype=DataType.INT64),) if one.version in self.refuses else ()
        signature = fine.signature.model_copy(update={"inputs": (*fine.signature.inputs, *more)})
        reader = Reader(signature, event_time=None, max_rows=100)
        return LoadedVersion(one.version, signature, reader, predict, one.bundle_digest)

    async def splits(self, share: float, *, shadow: bool = False, step: int = 0) -> None:
        split = Split(
            rollout_id=UUID(int=7), step=step, candidate=CANDIDATE, share=share, shadow=shadow, score_edges=EDGES
        )
        await self.shelf.follow(desired(CHAMPION, CANDIDATE, answering=CHAMPION, split=split))

    async def ask(self, *distances: float, key: str | None = None, version: str | None = None) -> Answer:
        chosen = self.answering.choose(version, routing_key=key)
        return await self.answering.answer(chosen, Question(len(distances), {"distance": list(distances)}))

    def counted(self, version: int) -> VersionTraffic:
        return next(one for one in self.shelf.traffic if one.version == version)


@pytest.fixture
def replica() -> Replica:
    return Replica()


async def test_a_key_is_answered_by_one_version(replica: Replica) -> None:
    await replica.splits(0.5)

    versions = {key: {(await replica.ask(1.0, key=key)).version for _ in range(3)} for key in map(str, range(20))}

    assert {len(one) for one in versions.values()} == {1}
    assert set.union(*versions.values()) == {CHAMPION, CANDIDATE}


async def test_requests_of_a_canary_are_counted_where_they_were_answered(replica: Replica) -> None:
    await replica.splits(0.5)

    answers = [await replica.ask(1.0, 600.0, key=str(number)) for number in range(20)]
    await replica.ask(1.0, version="2")

    for version in (CHAMPION, CANDIDATE):
        answered = [one for one in answers if one.version == version]
        counted = replica.counted(version)
        assert (counted.requests, counted.errors) == (len(answered), 0)
        assert counted.seconds > 0
    # Of version 1 one row scores below 1500 and one above; both of version 2 score above.
    half = replica.counted(CHAMPION).requests / 2
    assert replica.counted(CHAMPION).scores == (half, half)
    assert replica.counted(CANDIDATE).scores == (0, replica.counted(CANDIDATE).requests)


async def test_failures_count_and_callers_faults_do_not(replica: Replica) -> None:
    await replica.splits(1.0)
    replica.does[CANDIDATE] = raises(RuntimeError("secret"))
    with pytest.raises(RequestError) as failed:
        await replica.ask(1.0)
    replica.does[CANDIDATE] = lambda columns: np.array([np.nan])
    with pytest.raises(RequestError) as no_number:
        await replica.ask(1.0)
    replica.does[CANDIDATE] = raises(InputError("distance: expected number"))
    with pytest.raises(RequestError) as refused:
        await replica.ask(1.0)

    assert [error.value.status for error in (failed, no_number, refused)] == [500, 500, 400]
    assert "secret" not in str(failed.value)
    counted = replica.counted(CANDIDATE)
    assert (counted.requests, counted.errors) == (2, 2)
    assert replica.log.counts.waiting == 0


async def test_a_shadow_is_asked_the_same_and_never_heard(replica: Replica) -> None:
    await replica.splits(1.0, shadow=True)

    answers = [await replica.ask(1.0) for _ in range(3)]
    await eventually(lambda: replica.counted(CANDIDATE).requests == 3)
    await replica.log.drain(1)

    assert {one.version for one in answers} == {CHAMPION}
    assert {batch.version for message in replica.bus.taken for batch in message.batches} == {CHAMPION}
    assert replica.counted(CHAMPION).scores == (3, 0)
    assert replica.counted(CANDIDATE).scores == (0, 3)


async def test_a_shadow_that_fails_or_hangs_delays_and_harms_nobody(replica: Replica) -> None:
    await replica.splits(1.0, shadow=True)
    replica.does[CANDIDATE] = raises(InputError("distance: expected integer"))
    await replica.ask(1.0)
    await eventually(lambda: replica.counted(CANDIDATE).errors == 1)

    with hanging() as call:
        replica.does[CANDIDATE] = call
        for _ in range(MOST_COPIES + 5):
            assert (await replica.ask(1.0)).version == CHAMPION
        load = replica.answering.load()

    assert (load.copies, load.copies_dropped) == (MOST_COPIES + 1, 5)
    await eventually(lambda: replica.counted(CANDIDATE).requests == MOST_COPIES + 1)
    # Those that were not copied are not counted of the champion either.
    assert replica.counted(CHAMPION).requests == MOST_COPIES + 1
    assert replica.answering.hung_s() == 0


async def test_a_candidate_that_is_slow_does_not_slow_the_other(replica: Replica) -> None:
    await replica.splits(0.5)
    with hanging() as call:
        replica.does[CANDIDATE] = call
        chosen = await keys_of(replica)
        waits = asyncio.create_task(replica.ask(1.0, key=chosen[CANDIDATE]))

        for _ in range(10):
            assert (await replica.ask(1.0, key=chosen[CHAMPION])).version == CHAMPION
        assert not waits.done()

    assert (await waits).version == CANDIDATE


async def test_no_answer_mixes_versions_while_they_change(replica: Replica) -> None:
    chance = random.Random(3)

    async def change() -> None:
        for step in range(30):
            if chance.random() < 0.5:
                await replica.splits(chance.random(), shadow=chance.random() < 0.5, step=step)
            else:
                await replica.shelf.follow(desired(1, 2, answering=chance.choice((1, 2))))

    async def ask() -> None:
        while not changing.done():
            answer = await replica.ask(1.0, 2.0, 3.0)
            assert answer.scores == [answer.version * 1000 + distance for distance in (1.0, 2.0, 3.0)]

    await replica.splits(0.5)
    changing = asyncio.create_task(change())
    await asyncio.gather(changing, *(ask() for _ in range(8)))


async def test_more_rows_than_may_wait_are_refused_and_the_replica_recovers(replica: Replica) -> None:
    await replica.splits(0.0)
    with hanging() as call:
        replica.does[CHAMPION] = call
        waiting = [asyncio.create_task(replica.ask(*[1.0] * 10)) for _ in range(5)]
        await eventually(lambda: replica.answering.load().rows_now == 50)

        with pytest.raises(RequestError) as refused:
            await replica.ask(1.0)
        load = replica.answering.load()

    assert (refused.value.status, refused.value.retry_after_s) == (429, 1)
    assert (load.refused, load.requests_now, load.rows_now) == (1, 5, 50)
    await asyncio.gather(*waiting)
    assert (await replica.ask(1.0)).version == CHAMPION
    assert replica.answering.load().rows_now == 0


async def test_a_request_of_any_size_is_taken_when_nothing_else_waits(replica: Replica) -> None:
    await replica.splits(0.0)

    assert len((await replica.ask(*[1.0] * 1000)).scores) == 1000


async def test_a_large_request_keeps_no_small_one_waiting() -> None:
    replica = Replica(rows=4)
    await replica.splits(0.0)
    with hanging(from_rows=5) as call:
        replica.does[CHAMPION] = call
        large = asyncio.create_task(replica.ask(*[1.0] * 5))
        await eventually(lambda: replica.answering.load().requests_now)

        assert (await replica.ask(1.0)).scores == [0.0]

    assert len((await large).scores) == 5


async def test_calls_are_fewer_than_requests(replica: Replica) -> None:
    await replica.splits(0.0)

    await asyncio.gather(*(replica.ask(1.0) for _ in range(16)))

    load = replica.answering.load()
    assert (load.requests, load.calls) == (16, 1)


async def test_a_model_that_does_not_return_is_told_of_if_it_is_the_one_that_answers() -> None:
    replica = Replica(request_timeout_s=0.05)
    await replica.splits(0.5)
    chosen = await keys_of(replica)
    with hanging() as call:
        replica.does.update({CHAMPION: call, CANDIDATE: call})
        with pytest.raises(RequestError):
            await replica.ask(1.0, key=chosen[CANDIDATE])
        healthy = replica.answering.hung_s()
        with pytest.raises(RequestError) as late:
            await replica.ask(1.0, key=chosen[CHAMPION])

        assert healthy == 0
        assert late.value.status == 504
        assert replica.answering.hung_s() > 0
        counted = replica.counted(CHAMPION)
        assert (counted.requests, counted.errors) == (1, 1)


async def test_threads_of_versions_that_left_end(replica: Replica) -> None:
    before = set(threading.enumerate())
    await replica.splits(0.5)
    for number in range(20):
        await replica.ask(1.0, key=str(number))

    await replica.shelf.follow(desired(3, answering=3))
    await replica.ask(1.0)

    def named() -> set[str]:
        return {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("version")}

    await eventually(lambda: named() == {"version 3"})


async def test_a_candidate_that_refuses_what_the_other_takes_has_failed(replica: Replica) -> None:
    replica.refuses.add(CANDIDATE)
    await replica.splits(1.0)
    row, unknown = ROW, ROW | {"unknown": 1}

    for asked in (row, unknown):
        with pytest.raises(RequestError) as refused:
            replica.answering.read(replica.answering.choose(), lambda reader: reader.of_rows([asked], 1))  # noqa: B023
        assert refused.value.status == 400

    counted = replica.counted(CANDIDATE)
    assert (counted.requests, counted.errors) == (1, 1)


async def keys_of(replica: Replica) -> dict[int, str]:
    """Find a routing key per version."""
    return {replica.answering.choose(routing_key=key).version: key for key in map(str, range(100))}


def raises(error: Exception) -> Does:
    def predict(columns: Any) -> Any:
        raise error

    return predict


class hanging:  # reads as a verb
    """A model that does not return before the block ends."""

    def __init__(self, *, from_rows: int = 1) -> None:
        self._over = threading.Event()
        self._from_rows = from_rows

    def __enter__(self) -> Does:
        return self._predict

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _predict(self, columns: Any) -> Any:
        rows = len(columns["distance"])
        if rows >= self._from_rows:
            self._over.wait()
        return np.zeros(rows)


@pytest.mark.parametrize("version", ["7", "9" * 18, "9" * 5000, "٣", "-1", "1.0"])
async def test_a_version_that_is_not_here_is_refused_however_it_is_written(replica: Replica, version: str) -> None:
    await replica.shelf.follow(desired(CHAMPION, answering=CHAMPION))

    with pytest.raises(RequestError) as refused:
        replica.answering.choose(version)

    assert refused.value.status == 404
    assert len(str(refused.value)) < 200


async def test_a_version_that_is_let_go_leaves_memory_at_once(replica: Replica) -> None:
    await replica.shelf.follow(desired(CHAMPION, CANDIDATE, answering=CHAMPION))
    await replica.ask(1.0)
    await replica.ask(1.0, version=str(CANDIDATE))
    found = replica.shelf.version(CANDIDATE)
    assert found is not None
    model = weakref.ref(found.predict)
    del found

    await replica.shelf.follow(desired(CHAMPION, answering=CHAMPION))

    # A thread lets go of what it called a moment after it told the answer.
    await eventually(lambda: gc.collect() >= 0 and model() is None)
    assert replica.answering.load().calls == 2
