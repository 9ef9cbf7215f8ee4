"""Requests that come while the model is busy share its next call; what one of them does harms none of the others."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.bundle.rows import InputError
from services.serving.replica.batching import MOST_STUCK, Batches, Limits, ModelError, Scored
from services.serving.replica.errors import RequestError
from tests.fixtures.waiting import eventually

POISON, REFUSED, HANGING = -1.0, -2.0, -3.0


class Doubling:
    """A model that doubles, and does as it is told by certain values."""

    def __init__(self) -> None:
        self.asked: list[list[float]] = []
        self.free = threading.Event()
        self.free.set()
        self.returns = threading.Event()

    def __call__(self, columns: Any) -> Any:
        values = list(columns["x"])
        self.asked.append(values)
        self.free.wait()
        if POISON in values:
            raise SystemExit("poison")
        if REFUSED in values:
            raise InputError("x: expected more")
        if HANGING in values:
            self.returns.wait()
        return np.asarray(values) * 2


@pytest.fixture
def model() -> Doubling:
    return Doubling()


async def test_a_lone_request_is_asked_alone_and_at_once(model: Doubling) -> None:
    batches = Batches(model, Limits(wait_s=0))

    assert await ask(batches, [1.0]) == [2.0]
    assert await ask(batches, [2.0]) == [4.0]

    assert model.asked == [[1.0], [2.0]]


async def test_sixteen_requests_at_once_are_one_call(model: Doubling) -> None:
    batches = Batches(model, Limits())

    answers = await asyncio.gather(*(ask(batches, [float(number)]) for number in range(16)))

    assert answers == [[number * 2.0] for number in range(16)]
    assert [len(values) for values in model.asked] == [16]
    assert batches.calls == 1


async def test_what_comes_while_the_model_is_busy_shares_the_next_call(model: Doubling) -> None:
    batches = Batches(model, Limits())
    model.free.clear()
    first = batches.ask({"x": [1.0]}, 1)
    await eventually(lambda: model.asked)
    others = [batches.ask({"x": [float(number)]}, 1) for number in range(2, 7)]
    model.free.set()

    await asyncio.gather(first, *others)

    assert model.asked == [[1.0], [2.0, 3.0, 4.0, 5.0, 6.0]]


async def test_an_idle_model_waits_for_company_only_if_it_should(model: Doubling) -> None:
    batches = Batches(model, Limits(wait_s=0.05))
    first = asyncio.create_task(ask(batches, [1.0]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await asyncio.gather(first, ask(batches, [2.0]))

    assert model.asked == [[1.0, 2.0]]


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12), most=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_everyone_gets_the_own_rows_and_no_batch_is_too_large(sizes: list[int], most: int) -> None:
    async def run() -> None:
        model = Doubling()
        batches = Batches(model, Limits(rows=most))
        asked = [[float(100 * place + row) for row in range(size)] for place, size in enumerate(sizes)]
        assert await asyncio.gather(*(ask(batches, values) for values in asked)) == [
            [value * 2 for value in values] for values in asked
        ]
        assert [value for values in model.asked for value in values] == [value for values in asked for value in values]
        assert all(len(values) <= most or values in asked for values in model.asked)

    asyncio.run(run())


@pytest.mark.parametrize(("value", "error"), [(POISON, ModelError), (REFUSED, InputError)])
async def test_only_the_poisoned_request_fails(model: Doubling, value: float, error: type[Exception]) -> None:
    batches = Batches(model, Limits())

    answers = await asyncio.gather(
        ask(batches, [1.0]), ask(batches, [value]), ask(batches, [3.0]), return_exceptions=True
    )

    assert (answers[0], answers[2]) == ([2.0], [6.0])
    assert isinstance(answers[1], error)
    assert await ask(batches, [4.0]) == [8.0]


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((1, 1)), np.array(["high"]), None, np.array([1j])])
async def test_anything_but_one_number_per_row_is_a_failure(scores: Any) -> None:
    batches = Batches(lambda columns: scores, Limits())

    with pytest.raises(ModelError):
        await ask(batches, [1.0])


async def test_a_call_that_hangs_costs_its_own_request(model: Doubling) -> None:
    batches = Batches(model, Limits(request_timeout_s=0.3))

    answers = await asyncio.gather(
        ask(batches, [1.0]), ask(batches, [HANGING]), ask(batches, [3.0]), return_exceptions=True
    )

    assert (answers[0], answers[2]) == ([2.0], [6.0])
    assert isinstance(answers[1], RequestError)
    assert answers[1].status == 504
    assert batches.hung_s() > 0
    assert await ask(batches, [4.0]) == [8.0]
    model.returns.set()
    await eventually(lambda: batches.hung_s() == 0)


async def test_a_model_that_hangs_again_and_again_is_asked_no_more_until_it_returns(model: Doubling) -> None:
    batches = Batches(model, Limits(request_timeout_s=0.05))
    for _ in range(MOST_STUCK):
        with pytest.raises(RequestError) as late:
            await ask(batches, [HANGING])
        assert late.value.status == 504

    with pytest.raises(RequestError) as refused:
        batches.ask({"x": [1.0]}, 1)

    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    model.returns.set()
    await eventually(lambda: batches.hung_s() == 0)
    assert await ask(batches, [1.0]) == [2.0]


async def test_a_request_that_waited_too_long_is_refused_and_not_asked(model: Doubling) -> None:
    batches = Batches(model, Limits(request_timeout_s=0.1, rows=1))
    model.free.clear()
    asked = [batches.ask({"x": [float(number)]}, 1) for number in range(3)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [answer.status for answer in answers if isinstance(answer, RequestError)] == [504, 503, 503]
    assert model.asked == [[0.0]]
    model.free.set()


async def test_a_caller_that_left_is_not_asked_for(model: Doubling) -> None:
    batches = Batches(model, Limits())
    gone, stays = batches.ask({"x": [1.0]}, 1), batches.ask({"x": [2.0]}, 1)
    gone.cancel()

    assert (await stays).scores.tolist() == [4.0]
    assert model.asked == [[2.0]]


async def test_calls_that_take_too_long_make_batches_smaller(model: Doubling) -> None:
    batches = Batches(model, Limits(rows=8, call_s=0.0))

    for _ in range(4):
        await asyncio.gather(*(ask(batches, [float(number)]) for number in range(8)))

    assert len(model.asked[0]) == 8
    assert max(map(len, model.asked[-4:])) <= 2


async def test_batches_nobody_has_answer_what_was_asked_and_leave_no_thread(model: Doubling) -> None:
    batches = Batches(model, Limits(), name="let go")
    answer = batches.ask({"x": [1.0]}, 1)
    del batches

    assert (await answer).scores.tolist() == [2.0]
    await eventually(lambda: "let go" not in {thread.name for thread in threading.enumerate()})


async def ask(batches: Batches, values: Sequence[float]) -> list[float]:
    scored: Scored = await batches.ask({"x": values}, len(values))
    return list(scored.scores.tolist())
