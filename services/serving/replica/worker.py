"""A thread for the calls of one model. Whatever a model does, the event loop and the other models go on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Generic, TypeVar
from weakref import finalize

T = TypeVar("T")
Done = Callable[[T | BaseException, float], None]
"""Takes what a call returned or raised, and its seconds."""
Calls = SimpleQueue[tuple[asyncio.AbstractEventLoop, Callable[[], T], Done[T]] | None]


class Worker(Generic[T]):
    """Makes one call after the other, and tells the event loop that asked. Nobody's worker ends by itself."""

    def __init__(self, name: str) -> None:
        self._calls: Calls[T] = SimpleQueue()
        # A call that never returns must not keep the process from ending.
        Thread(target=_work, args=(self._calls,), name=name, daemon=True).start()
        finalize(self, self._calls.put, None).atexit = False

    def make(self, call: Callable[[], T], done: Done[T]) -> None:
        """Make a call; `done` is called on the event loop that is running now."""
        self._calls.put((asyncio.get_running_loop(), call, done))


def _work(calls: Calls[T]) -> None:
    while (asked := calls.get()) is not None:
        loop, call, done = asked
        began = perf_counter()
        outcome: T | BaseException
        try:
            outcome = call()
        # Code of any making; even its wish to exit is only an answer that failed.
        except BaseException as error:
            outcome = error
        # The loop may be closed by now, if the call took long: then nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done, outcome, perf_counter() - began)
        # Else the last batch, and who waits for it, would live until the next one comes.
        del asked, loop, call, done, outcome
