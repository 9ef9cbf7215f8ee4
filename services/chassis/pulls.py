"""Taking messages from a durable consumer, in the broker's own words.

The client's fetch sits out a reconnect that orphaned it, spins when the consumer was deleted, and knows nothing of
pinned clients. A request to the broker and the messages it sends back are simpler than working around that.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from services.chassis.bus import Bus, BusUnavailableError, ConsumerGoneError
from services.chassis.delivery import Arrival, Delivery, delivery_of
from services.chassis.errors import EverloopError
from services.chassis.waiting import unless

LONGEST_WAIT_S = 5.0
LATE_S = 0.25
"""How long after its end a request may still be answered, before it is taken for lost."""
PIN = "Nats-Pin-Id"
STATUS = "Status"


class Pull:
    """Messages of one durable consumer. Made by `pulling`."""

    def __init__(self, bus: Bus, stream: str, consumer: str, *, inbox: str, group: str) -> None:
        self._bus = bus
        self._place = f"{stream}.{consumer}"
        self._inbox = inbox
        self._group = group
        self._arrived: deque[Arrival] = deque()
        self._some = asyncio.Event()
        self._asked = 0
        self._wanted = 0
        self._ends_at = 0.0
        self._pin = ""
        self._connection = bus.reconnected
        self._breaks = 0

    @property
    def turn(self) -> str:
        """Of a consumer that is pinned to one client: names the time this one has had it without a break.

        Where it stays the same, nothing came in between and nothing on its way was lost. Empty: not pinned here.
        """
        return f"{self._pin}.{self._breaks}" if self._pin else ""

    async def next(self, wait_s: float = LONGEST_WAIT_S) -> Delivery | None:
        """Wait for the next message; raises as `some` does.

        Returns:
            None if nothing came, or if a reconnect orphaned the waiting request; ask again.
        """
        return next(iter(await self.some(1, wait_s)), None)

    async def some(self, at_most: int, wait_s: float = LONGEST_WAIT_S) -> list[Delivery]:
        """Wait for the next messages, and take those that are there.

        Raises:
            ConsumerGoneError: The consumer was deleted.
            BusUnavailableError: The broker cannot be reached, or does not answer now.
        """
        deadline = monotonic() + min(wait_s, LONGEST_WAIT_S)
        if not self._arrived and (self._wanted <= 0 or monotonic() >= self._ends_at):
            await self._ask(at_most, deadline)
        found: list[Delivery] = []
        while not found:
            arrival = await self._arrival(deadline)
            if arrival is None:
                return []
            found += self._read(arrival)
            if not found and self._wanted <= 0:
                return []
        while len(found) < at_most and self._arrived:
            found += self._read(self._arrived.popleft())
        return found

    async def _ask(self, batch: int, deadline: float) -> None:
        if not self._bus.connected:
            raise BusUnavailableError("bus_unavailable", detail="not connected now")
        self._asked += 1
        self._wanted = batch
        self._ends_at = deadline
        asked: dict[str, object] = {"batch": batch, "expires": int(max(0.001, deadline - monotonic()) * 1e9)}
        if self._group:
            asked |= {"group": self._group} | ({"id": self._pin} if self._pin else {})
        await self._bus.send(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._place}", json.dumps(asked).encode(), reply=f"{self._inbox}.{self._asked}"
        )

    async def _arrival(self, deadline: float) -> Arrival | None:
        if not self._arrived:
            # Waits for the fact rather than the message: a wait that is cut short must not take one with it.
            self._some.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline + LATE_S - monotonic()):
                    await unless(self._bus.reconnected, self._some.wait())
        if not self._arrived:
            self._wanted = 0
            return None
        return self._arrived.popleft()

    def _read(self, arrival: Arrival) -> list[Delivery]:
        """Give the message that arrived; nothing if it was a word about a request."""
        if arrival.reply and STATUS not in arrival.headers:

            async def answer(word: bytes) -> None:
                await self._bus.send(arrival.reply, word)

            self._wanted -= 1
            self._pin = arrival.headers.get(PIN, "")
            if self._bus.reconnected is not self._connection:
                self._connection = self._bus.reconnected
                self._breaks += 1
            return [delivery_of(arrival, answer)]
        if arrival.subject == f"{self._inbox}.{self._asked}":
            self._wanted = 0
            self._heed(arrival.headers.get(STATUS, ""), arrival.headers.get("Description", ""))
        return []

    def _heed(self, status: str, description: str) -> None:
        if status == "503" or (status == "409" and "Consumer Deleted" in description):
            raise ConsumerGoneError("consumer_gone", code=status, detail=description.strip())
        if status == "423":
            # Another client has the consumer now; from here on this one waits for its turn.
            self._pin = ""
        elif status == "409":
            raise BusUnavailableError("bus_unavailable", detail=description)

    async def receive(self, arrival: Arrival) -> None:
        """Take what the broker sent."""
        self._arrived.append(arrival)
        self._some.set()

    async def close(self) -> None:
        """Give back what was handed over and not taken, for whoever asks next."""
        while self._arrived:
            for delivery in self._read(self._arrived.popleft()):
                await delivery.nak(0)


@asynccontextmanager
async def pulling(bus: Bus, stream: str, consumer: str, *, group: str = "") -> AsyncIterator[Pull]:
    """Take messages from an existing durable consumer.

    Args:
        bus: Where.
        stream: That keeps them.
        consumer: Its name.
        group: Priority group of a consumer that is pinned to one client at a time.
    """
    inbox = bus.new_inbox()
    pull = Pull(bus, stream, consumer, inbox=inbox, group=group)
    try:
        async with bus.subscribe(f"{inbox}.*", pull.receive):
            yield pull
    finally:
        with suppress(EverloopError):
            await pull.close()
