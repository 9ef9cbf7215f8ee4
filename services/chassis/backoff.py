"""Waiting longer after each failure in a row."""

import asyncio


class Backoff:
    """Delays that double from the first to the longest, until something works again."""

    def __init__(self, *, first_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._first_s = min(first_s, longest_s)
        self._longest_s = longest_s
        self.delay_s = self._first_s

    def reset(self) -> None:
        """Say that it worked."""
        self.delay_s = self._first_s

    def next_s(self) -> float:
        """Take the delay before the next try; the one after that is longer."""
        delay_s, self.delay_s = self.delay_s, min(self.delay_s * 2, self._longest_s)
        return delay_s

    async def wait(self) -> None:
        """Wait before the next try."""
        await asyncio.sleep(self.next_s())
