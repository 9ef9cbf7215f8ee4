"""A closed loop of keep-alive connections: each asks again as soon as it is answered."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import cast

import httptools
import numpy as np
import uvloop

WARM_UP_S = 1.0
GRACE_S = 30.0
"""For an answer that was asked for and has not come at the end."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    answered: int
    """With those of the warm-up."""


@dataclass(slots=True)
class _Tally:
    """What the connections of one measurement have seen since it began."""

    until: float
    began: float = 0.0
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    answered: int = 0


class _Connection(asyncio.Protocol):
    """One client. Parses just enough to know when an answer is complete and whether it is a good one."""

    def __init__(
        self,
        requests: "cycle[bytes]",
        tally: _Tally,
        address: tuple[str, int],
        done: "asyncio.Future[None] | None" = None,
    ) -> None:
        self._requests = requests
        self._tally = tally
        self._address = address
        self._successor: asyncio.Task[object] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._asked_at = 0.0
        self.done: asyncio.Future[None] = done or asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = perf_counter()
        self._tally.answered += 1
        if self._asked_at >= self._tally.began:
            self._tally.seconds.append(now - self._asked_at)
            self._tally.failed += self._parser.get_status_code() != 200
        kept = self._parser.should_keep_alive()
        self._parser = httptools.HttpResponseParser(self)
        if now >= self._tally.until:
            self._end()
        elif kept:
            self._ask()
        else:
            self._reopen()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done() and self._successor is None:
            self._tally.failed += 1
            self._end()

    def _reopen(self) -> None:
        # A server may end a connection with an answer, as HAProxy does with each when it has new servers.
        loop = asyncio.get_running_loop()
        successor = loop.create_connection(
            lambda: _Connection(self._requests, self._tally, self._address, self.done), *self._address
        )
        self._successor = loop.create_task(successor)
        self._transport.close()

    def _ask(self) -> None:
        self._asked_at = perf_counter()
        self._transport.write(next(self._requests))

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


def measure(host: str, port: int, requests: Iterable[bytes], *, connections: int, seconds: float) -> Measured:
    """Ask for some seconds, after a warm-up that is not counted.

    Args:
        host: Where the server listens.
        port: Where the server listens.
        requests: Whole HTTP/1.1 requests, asked in turn.
        connections: How many ask at once.
        seconds: How long.
    """

    async def run() -> Measured:
        began = perf_counter() + WARM_UP_S
        tally = _Tally(until=began + seconds, began=began)
        turn = cycle(requests)
        loop = asyncio.get_running_loop()
        opened = [
            (await loop.create_connection(lambda: _Connection(turn, tally, (host, port)), host, port))[1]
            for _ in range(connections)
        ]
        async with asyncio.timeout(WARM_UP_S + seconds + GRACE_S):
            await asyncio.gather(*(one.done for one in opened))
        if not tally.seconds:
            return Measured(0.0, float("nan"), float("nan"), tally.failed, tally.answered)
        p50, p99 = np.quantile(tally.seconds, (0.5, 0.99)) * 1000
        return Measured(len(tally.seconds) / seconds, float(p50), float(p99), tally.failed, tally.answered)

    return uvloop.run(run())
