"""One answer per question from one version."""

import asyncio
import gc
import random
import threading
import weakref

import pytest

from services.serving.replica.errors import RequestError
from tests.fixtures.waiting import eventually
from tests.unit.serving.replica.test_shelf import desired
from tests.unit.serving.replica.told import CANDIDATE, CHAMPION, Replica, replica

__all__ = ["replica"]


async def test_a_key_is_answered_by_one_version(replica: Replica) -> None:
    await replica.splits(0.5)

    versions = {key: {(await replica.ask(1.0, key=key)).version for _ in range(3)} for key in map(str, range(20))}

    assert {len(one) for one in versions.values()} == {1}
    assert set.union(*versions.values()) == {CHAMPION, CANDIDATE}


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
