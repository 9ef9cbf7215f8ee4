"""Run a coroutine against the platform of a home directory."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from everloop.client import Platform

T = TypeVar("T")


def with_platform(home: Path | None, work: Callable[["Platform"], Awaitable[T]]) -> T:
    """Connect, work, disconnect.

    Raises:
        ClientError: Nobody runs a platform there, or what the work raises.
    """
    from everloop.client import connect, find_endpoints

    async def go() -> T:
        async with connect(find_endpoints(home)) as platform:
            return await work(platform)

    return asyncio.run(go())
