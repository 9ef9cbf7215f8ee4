"""How many requests a process has in hand at once, over HTTP and gRPC together, and how many wait for that, unread."""

import asyncio

from services.serving.ingress import LARGEST_MESSAGE_BYTES

TOO_MANY = "too many requests wait for this replica; come again"


class Room:
    """Places for requests. Ask whether it is full before entering: whoever enters waits for as long as it takes."""

    def __init__(
        self,
        *,
        max_ongoing: int = 64,
        max_waiting: int = 1024,
        largest_bytes: int = LARGEST_MESSAGE_BYTES,
        patience_s: float = 10.0,
    ) -> None:
        """Open it, empty.

        Args:
            max_ongoing: Requests in hand at once.
            max_waiting: Requests that wait for a place.
            largest_bytes: Of one request.
            patience_s: How long one that has a place may take to come.
        """
        self.largest_bytes = largest_bytes
        self.patience_s = patience_s
        self._places = asyncio.Semaphore(max_ongoing)
        self._free = max_ongoing + max_waiting

    @property
    def is_full(self) -> bool:
        """Whether the next one is to be refused."""
        return self._free <= 0

    async def __aenter__(self) -> None:
        self._free -= 1
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._free += 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._places.release()
        self._free += 1


here = Room()
"""Of this process. A replica makes its own before it listens; Serve's proxy, which has no settings, keeps this one."""
