"""The registry's database, rebuilt from what the broker keeps, while the registry is down."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.registered_models import ModelVersionCollected
from contracts.streams import EVENTS, TRACKING
from everloop.client.bus import Bus, Heard, connect_bus
from everloop.client.errors import RefusedError
from everloop.platform.broker import broker_alone
from everloop.platform.home import Home, locked

if TYPE_CHECKING:
    from services.registry.past.rebuilding import Rebuilt

LOG = (
    (EVENTS.name, f"{ModelVersionCollected.subject}.>"),
    (TRACKING.name, "events.registry.>"),
    (EVENTS.name, "events.>"),
)
"""Streams that hold the registry's log, and what of them: first, whose files nobody need look for any more. Versions
may speak of runs, runs never of versions."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was rebuilt; ``gone`` counts by stream the oldest messages that are no longer kept."""

    rebuilt: "Rebuilt"
    gone: Mapping[str, int]


async def rebuild_registry(home: Home, *, replace: bool, partly: bool) -> Recovery:
    """Rebuild the registry's database from its log.

    The broker is that of the environment; where it names none, that of the home directory, started for the while.

    Args:
        home: The platform's directory; it must be down where its own broker is used.
        replace: Set aside a database that holds something.
        partly: Go on although the log has lost its beginning, and leave out what cannot be replayed.

    Raises:
        HomeTakenError: The platform runs.
        RefusedError: The log has lost its beginning.
        RejectedError: The registry runs, its database is not empty, or the log cannot be replayed.
    """
    os.environ["EVERLOOP_HOME"] = str(home.root)
    from services.registry.past.main import rebuild_from
    from services.registry.settings import RegistrySettings

    settings = RegistrySettings.load()
    async with AsyncExitStack() as parts:
        url = os.environ.get("EVERLOOP_NATS_URL")
        if url is None:
            home.make()
            parts.enter_context(locked(home))
            url = await parts.enter_async_context(broker_alone(home))
        bus = await parts.enter_async_context(connect_bus(url))
        gone = {stream: kept["first_seq"] - 1 for stream, _ in LOG if (kept := await _kept(bus, stream))}
        if any(gone.values()) and not partly:
            lost = ", ".join(f"{count} of {stream}" for stream, count in gone.items() if count)
            raise RefusedError(f"the oldest messages are no longer kept ({lost}), and what they said would be missing")
        return Recovery(await rebuild_from(registry_log(bus), settings, replace=replace, partly=partly), gone)


async def registry_log(bus: Bus) -> AsyncIterator[Heard]:
    """Read all that the registry ever said and heard, as far as it is kept."""
    for stream, subject in LOG:
        if await _kept(bus, stream):
            async with aclosing(bus.past(subject, stream=stream)) as past:
                async for heard in past:
                    yield heard


async def _kept(bus: Bus, stream: str) -> Mapping[str, Any] | None:
    """Read what a stream keeps; None if there is nothing, and never was."""
    try:
        state = await bus.newest(stream)
    except RefusedError:
        return None
    return state if state["last_seq"] else None
