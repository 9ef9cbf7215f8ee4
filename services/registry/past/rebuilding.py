"""The registry's database, made again from the log beside the one that is there, and put in its place at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from services.chassis.database import Database
from services.chassis.errors import EverloopError, RejectedError
from services.chassis.outbox import waiting
from services.chassis.schema import migrate
from services.chassis.work import Ports
from services.registry.past.domain import StateDigest
from services.registry.past.places import Place
from services.registry.past.ports import Log
from services.registry.past.replay import LeftOut, retell
from services.registry.past.store import SqlState

LOCK_WAIT_S = 3.0
MIGRATIONS = Path(__file__).parents[1] / "migrations"


@dataclass(frozen=True, slots=True)
class Found:
    """The database that was there.

    Attributes:
        state: What it held; unset where that cannot be read as what a registry of now keeps.
        unsaid: Messages that it had committed and not published, so that no log has them.
    """

    state: StateDigest | None
    unsaid: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it.

    Attributes:
        messages: How many the log held that say something of the state.
        state: Of the new database.
        before: What was there; unset: nothing.
        set_aside: What that is called now.
        left_out: Messages that could not be taken at their word.
    """

    messages: int
    state: StateDigest
    before: Found | None
    set_aside: str | None
    left_out: tuple[LeftOut, ...] = ()


async def rebuild(url: str, log: Log, ports: Ports, *, replace: bool, partly: bool, now: datetime) -> Rebuilt:
    """Make the registry's database from the log. Until all of it is retold, what is there is not touched.

    Args:
        url: Where the registry's database is, or was.
        log: Every message it said and heard, oldest first.
        ports: Its adapters, which the messages are told to.
        replace: Set aside what is there, even if it holds something.
        partly: Leave out what cannot be replayed.
        now: What is set aside is named after.

    Raises:
        RejectedError: The registry runs, its database is not empty, or the log is, or cannot be replayed.
    """
    place = Place.at(url)
    try:
        async with _alone(place.present):
            before = await _look(place)
            await place.clear()
            await migrate(place.made, MIGRATIONS)
            if before and before.state != await _state(place.made) and not replace:
                raise RejectedError("database_not_empty", database=place.name)
            left_out: list[LeftOut] = []
            messages = await retell(log, place.made, ports, left_out=left_out if partly else None)
            if not messages:
                raise RejectedError("log_empty")
            state = await _state(place.made)
            set_aside = await place.take(f"{now:%Y%m%dt%H%M%S%fz}")
    finally:
        await place.close()
    return Rebuilt(messages, state, before, set_aside, tuple(left_out))


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Keep a registry from starting, where none runs: one that runs keeps the relay, one that starts migrates first."""
    async with AsyncExitStack() as locks:
        try:
            async with asyncio.timeout(LOCK_WAIT_S):
                for purpose in ("migrations", "relay"):
                    await locks.enter_async_context(database.exclusively(purpose))
        except TimeoutError as error:
            raise RejectedError("registry_running", database=str(database.file or database.schema)) from error
        yield


async def _look(place: Place) -> Found | None:
    if not await place.is_taken():
        return None
    try:
        async with place.present.session(write=False) as session:
            return Found(await SqlState(session).digest(), await waiting(session))
    except (SQLAlchemyError, EverloopError):
        return Found(None)


async def _state(database: Database) -> StateDigest:
    async with database.session(write=False) as session:
        return await SqlState(session).digest()
