"""Waiting for one thing unless another happens first."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def unless(event: asyncio.Event, awaitable: Awaitable[T]) -> T | None:
    """Await something, but cancel it and give None as soon as the event is set."""
    work = asyncio.ensure_future(awaitable)
    signal = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({work, signal}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        signal.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
