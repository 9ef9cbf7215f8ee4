"""The two parties of the delivery promise, as processes that kill themselves where it hurts most.

The speaker commits transactions that say facts, and takes some back. The hearer counts each fact and answers with
another. Either dies by SIGKILL, at random: between publishing and marking, between committing and acknowledging, and
right after each.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from contracts.serving import RolloutStarted
from services.chassis.delivery import Delivery
from services.chassis.errors import RejectedError
from services.chassis.handling import Retries
from services.chassis.logs import LogFormat, set_up_logs
from services.chassis.outbox import Relay
from services.chassis.service import Service
from services.chassis.work import Reconciler, Work
from tests.integration.chassis.echo import Counts, EchoSettings, build

PATIENT = Retries(first_s=0.01, longest_s=0.1, ack_wait_s=0.4, max_deliveries=1000, bugs=1000, transients=1000)
TAKEN_BACK = 0.05


@dataclass(frozen=True)
class Orders:
    """What a party is told."""

    home: Path
    nats_url: str
    database_url: SecretStr | None
    seed: int
    facts: int
    crash_chance: float
    port: int = 0

    def settings(self) -> EchoSettings:
        return EchoSettings(
            home=self.home, nats_url=self.nats_url, database_url=self.database_url, port=self.port, drain_timeout_s=1
        )


def speaker(orders: Orders) -> Service:
    """Say facts until there are enough, each with a row that remembers it."""
    chance = random.Random(orders.seed)

    async def step(work: Work) -> None:
        for _ in range(10):
            async with work.transaction(write=False) as transaction:
                done = await transaction.port(Counts).of("said")
            if done >= orders.facts:
                return
            try:
                await speak(work)
            except RejectedError:
                continue

    async def speak(work: Work) -> None:
        async with work.transaction() as transaction:
            counts = transaction.port(Counts)
            number = await counts.add("said")
            rollout = UUID(int=number)
            await counts.add(f"said:{rollout}")
            transaction.say(RolloutStarted(pipeline="flights", rollout_id=rollout, version=number))
            if chance.random() < TAKEN_BACK:
                # Said and written, but never committed: nobody may ever hear of it.
                transaction.say(RolloutStarted(pipeline="flights", rollout_id=UUID(int=2**64 + number), version=1))
                raise RejectedError("changed_my_mind")

    service = build(orders.settings(), reconcilers=(Reconciler(step, every_s=0.01),), retries=PATIENT)
    return replace(service, name="serving", subscriptions=())


def hearer(orders: Orders) -> Service:
    """Count each fact, and answer with another."""
    return build(orders.settings(), retries=PATIENT)


def run(party: Callable[[Orders], Service], orders: Orders) -> None:
    """Live until killed, by oneself or by others."""
    chance = random.Random(orders.seed)
    # A test's own injection: dying is not something the chassis should be able to do on request.
    Relay._mark = _deadly(Relay._mark, chance, orders.crash_chance)  # type: ignore[method-assign]
    Delivery.ack = _deadly(Delivery.ack, chance, orders.crash_chance)  # type: ignore[method-assign]
    service = party(orders)
    set_up_logs(service.name, level="info", format=LogFormat.TEXT)
    asyncio.run(service.serve())


def _deadly(step: Callable[..., Awaitable[None]], chance: random.Random, probability: float) -> Any:
    async def maybe_die(*arguments: object) -> None:
        fate = chance.random()
        if fate < probability / 2:
            os.kill(os.getpid(), signal.SIGKILL)
        await step(*arguments)
        if fate > 1 - probability / 2:
            # What the step sent must leave first, or this would be the same death as the one before it.
            await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    return maybe_die
