"""Explanations take turns in a thread of their own, and whatever goes wrong there stays there."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from contracts.bundle import AttributionUnit, ExplanationMethod
from everloop.bundle.explaining import Attributions
from everloop.bundle.manifest import BundleError
from everloop.bundle.rows import InputError
from services.serving.replica.errors import RequestError
from services.serving.replica.explaining import MOST_IN_HAND, Explaining, attributions
from services.serving.replica.question import Question

FOUND = Attributions(ExplanationMethod.TREE_SHAP, AttributionUnit.SCORE, ("x",), 0.5, np.array([[1.0]]))
Columns = Mapping[str, Sequence[Any]]


def question(rows: int = 1) -> Question:
    return Question(rows, {"x": [1.0] * rows})


def raising(error: BaseException) -> Callable[[Columns], Attributions]:
    def explain(columns: Columns) -> Attributions:
        raise error

    return explain


class Gate:
    """Explains once it is opened, and counts how many are in it at once."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.calls = 0
        self.inside = 0
        self.most_inside = 0

    def __call__(self, columns: Columns) -> Attributions:
        self.calls += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.opened.wait(10)
        self.inside -= 1
        return FOUND


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("x: expected number"), 400, "x: expected number"),
        (BundleError("not_explained", "train again"), 400, "can't explain its scores: not explained: train again"),
        (BundleError("explanation_mismatch", "by 0.1"), 500, "does not add up"),
        (RuntimeError("secret"), 500, "the explanation failed"),
        (SystemExit(), 500, "the explanation failed"),
    ],
)
async def test_what_goes_wrong_is_an_answer(error: BaseException, status: int, said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        await Explaining(raising(error), max_rows=1)(question())

    assert raised.value.status == status


async def test_more_rows_than_allowed_are_refused() -> None:
    explaining = Explaining(lambda columns: FOUND, max_rows=2)

    assert await explaining(question(2)) is FOUND
    with pytest.raises(RequestError, match="3 rows; at most 2") as raised:
        await explaining(question(3))
    assert raised.value.status == 413


async def test_a_version_without_explanations_says_so() -> None:
    with pytest.raises(RequestError, match="can't explain"):
        await attributions(None, question())


async def test_explanations_take_turns_and_too_many_are_told_to_come_back() -> None:
    gate = Gate()
    explaining = Explaining(gate, max_rows=1)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(explaining(question())) for _ in range(MOST_IN_HAND)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="too many") as raised:
            await explaining(question())
        gate.opened.set()

    assert (raised.value.status, raised.value.retry_after_s) == (429, 1)
    assert [task.result() for task in waiting] == [FOUND] * MOST_IN_HAND
    assert gate.most_inside == 1
    assert await explaining(question()) is FOUND


async def test_an_explanation_that_hangs_costs_explanations_and_is_bounded() -> None:
    gate = Gate()
    explaining = Explaining(gate, max_rows=1, timeout_s=0.05)

    with pytest.raises(RequestError) as raised:
        await explaining(question())
    with pytest.raises(RequestError) as behind:
        await explaining(question())
    gate.opened.set()

    assert (raised.value.status, behind.value.status) == (504, 504)
    assert await Explaining(lambda columns: FOUND, max_rows=1)(question()) is FOUND


async def test_who_left_is_not_explained_anything() -> None:
    gate = Gate()
    explaining = Explaining(gate, max_rows=1)
    first, left = (asyncio.create_task(explaining(question())) for _ in range(2))
    await asyncio.sleep(0)

    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    gate.opened.set()

    assert await first is FOUND
    assert await explaining(question()) is FOUND
    assert gate.calls == 2
