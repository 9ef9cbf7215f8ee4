"""The delivery promise: whatever is killed, and whenever, each committed fact has its effect exactly once."""

import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.process import BaseProcess

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, func, select

from contracts.serving import RolloutRolledBack, RolloutStarted
from services.chassis.database import Database
from services.chassis.outbox import waiting
from services.chassis.service import Service
from tests.fixtures.services import World
from tests.fixtures.waiting import eventually
from tests.integration.chassis.echo import CountRow, EchoSettings
from tests.integration.chassis.parties import Orders, hearer, run, speaker

FACTS = 200
DEADLINE_S = 150
"""An idle machine needs 20; one that runs other tests beside this one needs far more."""

BROKER_KILLS = 4
OUTSIDE_KILLS = 4
DEATHS_BY_ITSELF = 5
"""Per party; each costs a restart, which is most of what this test takes."""


@dataclass
class Party:
    """A process that is started again whenever it has died."""

    build: Callable[[Orders], Service]
    orders: Orders
    process: BaseProcess | None = None
    deaths: int = 0

    def keep_alive(self) -> None:
        if self.process is not None and self.process.is_alive():
            return
        self.deaths += self.process is not None
        # A seed of its own for every life, or each would die at the same point.
        chance = self.orders.crash_chance if self.deaths < DEATHS_BY_ITSELF else 0
        orders = replace(self.orders, seed=self.orders.seed + 1000 * self.deaths, crash_chance=chance)
        self.process = forkserver().Process(target=run, args=(self.build, orders))
        self.process.start()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()


def forkserver() -> multiprocessing.context.ForkServerContext:
    # A fork of a process that has imported everything starts in milliseconds; importing takes seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.chassis.parties"])
    return context


async def counts(database: Database, prefix: str) -> dict[str, int]:
    """Read how often each thing was counted."""
    async with database.session(write=False) as session:
        rows = await session.exec(select(CountRow).where(col(CountRow.key).startswith(prefix)))
        return {row.key.removeprefix(prefix): row.times for row in rows}


async def how_many(database: Database, prefix: str) -> int:
    """Count the things that were counted; none before the table is there."""
    try:
        async with database.session(write=False) as session:
            found = select(func.count()).select_from(CountRow).where(col(CountRow.key).startswith(prefix))
            return (await session.exec(found)).one()
    except DBAPIError:
        return 0


async def all_published(database: Database) -> bool:
    async with database.session(write=False) as session:
        return await waiting(session) == 0


@pytest.mark.slow
async def test_committed_facts_take_effect_exactly_once_while_everything_is_killed(world: World) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    settings = world.settings(EchoSettings)
    orders = Orders(settings.home, settings.nats_url, settings.database_url, seed, FACTS, crash_chance=0.03)
    parties = [Party(speaker, orders), Party(hearer, replace(orders, seed=seed + 1))]
    said_in = Database(settings.database_for("serving"), schema="serving")
    heard_in = Database(settings.database_for("ingestion"), schema="ingestion")
    kills = ["broker"] * BROKER_KILLS + ["party"] * OUTSIDE_KILLS
    chance.shuffle(kills)
    next_kill = time.monotonic() + 2

    async def all_is_told() -> bool:
        nonlocal next_kill
        for party in parties:
            party.keep_alive()
        if kills and time.monotonic() > next_kill:
            if kills.pop() == "broker":
                world.broker.kill()
                world.broker.start()
            else:
                chance.choice(parties).kill()
            next_kill = time.monotonic() + chance.uniform(0.3, 1.5)
        return not kills and await how_many(said_in, "said:") == await how_many(heard_in, "heard:") == FACTS

    try:
        await eventually(all_is_told, within_s=DEADLINE_S, every_s=0.1)
        for database in (said_in, heard_in):
            await eventually(partial(all_published, database))
        said, heard = await counts(said_in, "said:"), await counts(heard_in, "heard:")
        on_stream = [event.rollout_id for event in await world.said(RolloutStarted)]
        answers = [event.rollout_id for event in await world.said(RolloutRolledBack)]
    finally:
        for party in parties:
            party.kill()
        await said_in.close()
        await heard_in.close()

    deaths = f"speaker {parties[0].deaths}, hearer {parties[1].deaths}, broker {BROKER_KILLS}"
    print(f"seed {seed}; deaths: {deaths}", file=sys.stderr)  # noqa: T201  # shown with a failure, to see it again
    assert set(said.values()) == {1}
    assert set(heard.values()) == {1}, "an effect happened twice"
    assert Counter(map(str, on_stream)) == Counter(said), "the stream and what was committed differ"
    assert Counter(map(str, answers)) == Counter(said), "an answer is missing, or was given twice"
    assert heard.keys() == said.keys()
    assert [fact.int for fact in on_stream] == sorted(fact.int for fact in on_stream), "order was lost"
