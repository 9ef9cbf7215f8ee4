"""How the supervisor tells that a process answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import httpx

from everloop.platform.ports import HOST

TIMEOUT_S = 3.0


def http_ready(
    client: httpx.AsyncClient, url: str, *, headers: Mapping[str, str] | None = None
) -> Callable[[], Awaitable[bool]]:
    """Ready when the URL answers 200."""

    async def ready() -> bool:
        try:
            return (await client.get(url, headers=headers, timeout=TIMEOUT_S)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return ready


def nats_ready(port: int) -> Callable[[], Awaitable[bool]]:
    """Ready when the broker greets; it listens only once its streams are recovered."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection(HOST, port)
                greeting = await reader.readline()
                writer.close()
                return greeting.startswith(b"INFO ")
        except (OSError, TimeoutError):
            return False

    return ready


def file_ready(path: Path, then: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    """Ready when a process has left a file, and something else holds too."""

    async def ready() -> bool:
        return path.exists() and await then()  # noqa: ASYNC240 - one stat of a local file

    return ready
