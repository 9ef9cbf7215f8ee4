"""Micro-batching: requests for one version that come while its model is busy are answered by one call of it.

Nobody waits for company unless the settings say so: a request that finds the model idle is asked with those that
arrived in the same turn of the event loop, and the next call takes whatever came during this one. The more load,
the larger the batches.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from everloop.bundle.rows import InputError
from services.serving.replica.errors import RETRY_AFTER_S, RequestError
from services.serving.replica.worker import Worker

Floats = NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]

MOST_STUCK = 6
"""Calls of one version that have not returned, before it is asked no more. A request that hangs takes two of them:
one with the others of its batch, one alone."""


class Scores(Protocol):
    """Scores rows given as plain values by column: shape (n,)."""

    def __call__(self, columns: Columns) -> Floats:
        """Score."""


class ModelError(Exception):
    """A model that raised, or gave something other than one number per row. Its cause is what the model did."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the calls of a model."""

    rows: int = 256
    """Most rows that requests are joined to; a request with more is asked alone."""
    wait_s: float = 0.0
    """How long a request that finds the model idle waits for others."""
    call_s: float = 0.1
    """What a joined call should take at most: longer ones make the next batches smaller."""
    request_timeout_s: float = 10.0
    """After so long a request is refused, wherever it is."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model answered to one request."""

    scores: Floats
    seconds: float
    """Of the call, whoever else was in it."""


@dataclass(slots=True, eq=False)
class _Asked:
    columns: Columns
    rows: int
    answer: asyncio.Future[Scored]
    deadline: float
    alone: bool = False


@dataclass(slots=True, eq=False)
class _Call:
    batch: list[_Asked]
    began: float
    timer: asyncio.TimerHandle | None = None


class Batches:
    """The calls of one version's model, one at a time. Belongs to one event loop."""

    def __init__(self, predict: Scores, limits: Limits, *, name: str = "model") -> None:
        self.predict = predict
        self.calls = 0
        """Made so far."""
        self._limits = limits
        self._name = name
        self._waiting: deque[_Asked] = deque()
        self._scheduled = False
        self._running: _Call | None = None
        self._stuck: set[_Call] = set()
        self._worker: Worker[Floats] | None = None
        self._rows = limits.rows

    def ask(self, columns: Columns, rows: int) -> asyncio.Future[Scored]:
        """Ask the model, in company if there is any.

        Returns:
            The answer. Fails with an `InputError` of the model's, a `ModelError`, or a `RequestError`: 503 if it waited
            too long, 504 if the model takes too long.

        Raises:
            RequestError: 503, the model does not answer any more.
        """
        if len(self._stuck) >= MOST_STUCK:
            raise RequestError(503, "the model does not answer", retry_after_s=RETRY_AFTER_S)
        loop = asyncio.get_running_loop()
        asked = _Asked(columns, rows, loop.create_future(), monotonic() + self._limits.request_timeout_s)
        self._waiting.append(asked)
        if self._running is None and not self._scheduled:
            self._scheduled = True
            if self._limits.wait_s:
                loop.call_later(self._limits.wait_s, self._go)
            else:
                # Behind the requests whose bytes are already here: they come along.
                loop.call_soon(self._go)
        return asked.answer

    def hung_s(self) -> float:
        """Tell for how long the oldest call that took too long has not returned; 0 if there is none."""
        return max((monotonic() - call.began for call in self._stuck), default=0.0)

    def _go(self) -> None:
        self._scheduled = False
        if self._running is not None:
            return
        batch = self._take()
        if not batch:
            return
        if self._worker is None:
            self._worker = Worker(self._name)
        began = monotonic()
        left_s = batch[0].deadline - began
        self._running = call = _Call(batch, began)
        self.calls += 1
        # If one of a batch hangs, the others need time to be asked again, each alone, and in their turn.
        again = len(batch) > 1 or (batch[0].alone and self._waiting)
        limit_s = min(left_s, self._limits.request_timeout_s / 3) if again else left_s
        call.timer = asyncio.get_running_loop().call_later(limit_s, self._give_up, call)
        self._worker.make(lambda: _call(self.predict, batch), lambda outcome, s: self._returned(call, outcome, s))

    def _take(self) -> list[_Asked]:
        batch: list[_Asked] = []
        rows, now = 0, monotonic()
        while self._waiting:
            asked = self._waiting[0]
            if batch and (asked.alone or rows + asked.rows > self._rows):
                break
            self._waiting.popleft()
            if asked.answer.done():
                continue
            if asked.deadline <= now:
                late = RequestError(503, "the model had no time for this request", retry_after_s=RETRY_AFTER_S)
                asked.answer.set_exception(late)
                continue
            batch.append(asked)
            rows += asked.rows
            if asked.alone:
                break
        return batch

    def _returned(self, call: _Call, outcome: Floats | BaseException, seconds: float) -> None:
        if call is not self._running:
            self._stuck.discard(call)
            return
        assert call.timer is not None
        call.timer.cancel()
        self._running = None
        if not isinstance(outcome, BaseException):
            self._share_out(call.batch, outcome, seconds)
        elif len(call.batch) == 1:
            if not call.batch[0].answer.done():
                call.batch[0].answer.set_exception(_failure(outcome))
        else:
            self._ask_each_alone(call.batch)
        self._go()

    def _share_out(self, batch: Sequence[_Asked], scores: Floats, seconds: float) -> None:
        start = 0
        for asked in batch:
            if not asked.answer.done():
                asked.answer.set_result(Scored(scores[start : start + asked.rows], seconds))
            start += asked.rows
        if len(batch) > 1 and seconds > self._limits.call_s:
            self._rows = max(1, self._rows // 2)
        else:
            self._rows = min(self._limits.rows, self._rows + 1 + self._rows // 8)

    def _ask_each_alone(self, batch: Sequence[_Asked]) -> None:
        for asked in reversed(batch):
            asked.alone = True
            self._waiting.appendleft(asked)

    def _give_up(self, call: _Call) -> None:
        """Leave a call that takes too long behind, with its thread: nothing can end it."""
        if call is not self._running:
            return
        self._stuck.add(call)
        self._running = None
        self._worker = None
        if len(call.batch) > 1:
            self._rows = max(1, self._rows // 2)
            self._ask_each_alone(call.batch)
        elif not call.batch[0].answer.done():
            call.batch[0].answer.set_exception(RequestError(504, "the model took too long"))
        if len(self._stuck) >= MOST_STUCK:
            self._refuse_all()
        self._go()

    def _refuse_all(self) -> None:
        for asked in self._waiting:
            if not asked.answer.done():
                asked.answer.set_exception(RequestError(503, "the model does not answer", retry_after_s=RETRY_AFTER_S))
        self._waiting.clear()


def _call(predict: Scores, batch: Sequence[_Asked]) -> Floats:
    rows = sum(asked.rows for asked in batch)
    columns = batch[0].columns if len(batch) == 1 else _joined(batch)
    scores = np.asarray(predict(columns))
    if scores.shape != (rows,) or scores.dtype.kind not in "fiu":
        raise ModelError(f"{scores.dtype} of shape {scores.shape} for {rows} rows")
    return scores.astype(np.float64, copy=False)


def _joined(batch: Sequence[_Asked]) -> Columns:
    return {name: list(chain.from_iterable(asked.columns[name] for asked in batch)) for name in batch[0].columns}


def _failure(raised: BaseException) -> Exception:
    if isinstance(raised, InputError | ModelError):
        return raised
    failure = ModelError(f"raised {type(raised).__name__}")
    failure.__cause__ = raised
    return failure
