"""Work with the platform of a home directory."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from everloop.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from contracts.message import Command, Message
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


async def outcome(
    platform: "Platform", command: "Command", answer: "Callable[[Message], T | None]", *, within_s: float
) -> T:
    """Say a command, and hear what it leads to until something is the answer.

    Args:
        platform: Where it is said.
        command: The command.
        answer: Takes each message; gives what is waited for, None to wait on, or raises where the command was refused.
        within_s: How long to wait.

    Raises:
        ClientError: The command was not taken, or there was no answer in time.
        CommandError: The broker ended the story, or what `answer` raises.
    """
    receipt = await platform.bus.say(command, source="cli")
    story = platform.story(receipt.message_id, since=receipt.mark, within_s=within_s, pipeline=command.pipeline)
    async with aclosing(story):
        async for heard in story:
            if heard.message is not None and (found := answer(heard.message)) is not None:
                return found
    raise CommandError("the broker closed the stream", Exit.TRY_AGAIN)
