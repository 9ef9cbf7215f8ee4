"""An open loop: requests leave on schedule, answered or not, as callers who do not know of each other would ask.

A slow answer delays no later request, and its latency counts from when it was due (no coordinated omission).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import httptools

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; status 0 is a connection that broke or nothing in time."""

    status: int
    body: bytes = b""
    retry_after: bool = False


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply] | None = None
        self._body = b""
        self._retry_after = False
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._retry_after = self._retry_after or name.lower() == b"retry-after"

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._settle(Reply(self._parser.get_status_code(), self._body, self._retry_after))
        if not self._parser.should_keep_alive():
            self.close()
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._settle(Reply(0))

    async def ask(self, request: bytes) -> Reply:
        """Ask and wait for the answer."""
        self._body, self._retry_after = b"", False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._answer
        except TimeoutError:
            self.close()
            return Reply(0)

    def close(self) -> None:
        """Hang up."""
        self.open = False
        self._transport.close()

    def _settle(self, reply: Reply) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(reply)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what became of it."""

    due_at: float
    """Seconds after the start."""
    seconds: float
    """From when it was due to the last reply."""
    replies: tuple[Reply, ...]
    """More than one if it was tried again."""


class OpenLoop:
    """Asks at a constant rate until told to stop."""

    def __init__(
        self, host: str, port: int, request: Callable[[int], bytes], *, rate_per_s: float, retries: int, pause_s: float
    ) -> None:
        """Prepare.

        Args:
            host: Of the server.
            port: Of the server.
            request: Writes the request of a number.
            rate_per_s: Requests a second.
            retries: How often a request is asked again after no answer, 502, 503 or 504.
            pause_s: Before it is asked again.
        """
        self._address = host, port
        self._request = request
        self._rate_per_s = rate_per_s
        self._retries = retries
        self._pause_s = pause_s
        self._idle: deque[Connection] = deque()
        self.asked: list[Asked] = []
        self.began = 0.0

    async def run(self, seconds: float) -> None:
        """Ask for so long, then wait for what is under way."""
        self.began = perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(seconds * self._rate_per_s)):
                due_at = number / self._rate_per_s
                if (early := due_at - (perf_counter() - self.began)) > 0:
                    await asyncio.sleep(early)
                tasks.create_task(self._ask(number, due_at))
        for connection in self._idle:
            connection.close()

    async def _ask(self, number: int, due_at: float) -> None:
        replies = [await self._once(number)]
        while replies[-1].status in {0, 502, 503, 504} and len(replies) <= self._retries:
            await asyncio.sleep(self._pause_s)
            replies.append(await self._once(number))
        self.asked.append(Asked(due_at, perf_counter() - self.began - due_at, tuple(replies)))

    async def _once(self, number: int) -> Reply:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                break
        else:
            try:
                loop = asyncio.get_running_loop()
                connection = (await loop.create_connection(Connection, *self._address))[1]
            except OSError:
                return Reply(0)
        reply = await connection.ask(self._request(number))
        if connection.open:
            self._idle.append(connection)
        return reply
