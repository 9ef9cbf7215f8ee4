"""Consumers: what a service hears, pulled from durable consumers one message at a time each."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from contracts.message import Command, Message
from contracts.streams import COMMANDS, stream_of
from services.chassis.backoff import Backoff
from services.chassis.bus import Bus, ConsumerGoneError
from services.chassis.delivery import Delivery
from services.chassis.errors import EverloopError
from services.chassis.handling import Outcome, Retries
from services.chassis.logs import Log
from services.chassis.pulls import pulling
from services.chassis.streams import ConsumerDefinition, reconcile_consumer
from services.chassis.subscriptions import Subscription
from services.chassis.waiting import unless

log = Log(__name__)


def consumers_of(
    service: str, subscriptions: Iterable[Subscription], retries: Retries
) -> list[tuple[ConsumerDefinition, dict[type[Message], Subscription]]]:
    """Name the durable consumers of a service, each with what it hears.

    Every event has one of its own. All commands share one: filters of a work queue may not overlap, and only a
    filter over all of a service's commands hears the unknown ones, to say that they are.
    """
    commands: dict[type[Message], Subscription] = {}
    consumers: list[tuple[ConsumerDefinition, dict[type[Message], Subscription]]] = []

    def define(stream: str, name: str, subject: str) -> ConsumerDefinition:
        ack_wait = timedelta(seconds=retries.ack_wait_s)
        return ConsumerDefinition(stream, name, (subject,), ack_wait=ack_wait, max_deliveries=retries.max_deliveries)

    for subscription in subscriptions:
        message = subscription.message
        if issubclass(message, Command):
            commands[message] = subscription
        else:
            definition = define(stream_of(message).name, durable_of(service, message), f"{message.subject}.*")
            consumers.append((definition, {message: subscription}))
    if commands:
        consumers.append((define(COMMANDS.name, f"{service}__commands", f"commands.{service}.>"), commands))
    return consumers


def durable_of(service: str, message: type[Message]) -> str:
    """Name the durable consumer of an event: ``registry__training_run_succeeded_v1``."""
    return f"{service}__{message.subject.partition('.')[2].replace('.', '_')}"


class Handles(Protocol):
    """Handles deliveries and settles them."""

    async def handle(self, delivery: Delivery) -> Outcome:
        """Handle one."""
        ...


class Consumer:
    """Pulls and handles, one message after another, until asked to stop."""

    def __init__(self, bus: Bus, definition: ConsumerDefinition, handling: Handles) -> None:
        self._bus = bus
        self._definition = definition
        self._handling = handling

    async def run(self, stopping: asyncio.Event) -> None:
        """Consume until asked to stop, then finish the message in hand."""
        backoff = Backoff()
        while not stopping.is_set():
            try:
                async with pulling(self._bus, self._definition.stream, self._definition.name) as pull:
                    while not stopping.is_set():
                        delivery = await unless(stopping, pull.next())
                        if delivery is not None:
                            await self._handle(delivery)
                        backoff.reset()
            except ConsumerGoneError as error:
                # Asking on without a pause would keep a processor busy for as long as it is gone.
                log.warning("consumer is gone, recreating", consumer=self._definition.name, error=str(error))
                await backoff.wait()
                await self._recreate()
            except EverloopError as error:
                log.warning("consumer pauses", consumer=self._definition.name, error=str(error))
                await backoff.wait()
            except Exception:
                log.exception("consumer stumbled", consumer=self._definition.name)
                await backoff.wait()

    async def _handle(self, delivery: Delivery) -> None:
        async with heartbeat(delivery, every_s=self._definition.ack_wait.total_seconds() / 4):
            await self._handling.handle(delivery)

    async def _recreate(self) -> None:
        try:
            await reconcile_consumer(self._bus, self._definition)
        except EverloopError as error:
            log.warning("consumer cannot be recreated yet", consumer=self._definition.name, error=str(error))


@asynccontextmanager
async def heartbeat(delivery: Delivery, *, every_s: float) -> AsyncIterator[None]:
    """Tell the broker that a message is being worked on, so that it is not delivered again meanwhile."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await delivery.in_progress()
            except EverloopError as error:
                log.warning("heartbeat failed", consumer=delivery.consumer, error=str(error))

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
