"""Consumers: what a service hears, pulled from durable consumers one message at a time each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
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
from services.chassis.pulls import Pull, pulling
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

        async def step(pull: Pull) -> None:
            delivery = await unless(stopping, pull.next())
            if delivery is not None:
                async with heartbeat([delivery], self._definition):
                    await self._handling.handle(delivery)

        await keep_pulling(self._bus, self._definition, step, stopping.is_set)


async def keep_pulling(
    bus: Bus, definition: ConsumerDefinition, step: Callable[[Pull], Awaitable[None]], over: Callable[[], bool]
) -> None:
    """Take messages with one step after another until it is over, whatever happens to broker and consumer."""
    backoff = Backoff()
    while not over():
        try:
            async with pulling(bus, definition.stream, definition.name, group=definition.group) as pull:
                while not over():
                    await step(pull)
                    backoff.reset()
        except ConsumerGoneError as error:
            # Asking on without a pause would keep a processor busy for as long as it is gone.
            log.warning("consumer is gone, recreating", consumer=definition.name, error=str(error))
            await backoff.wait()
            await _recreate(bus, definition)
        except EverloopError as error:
            log.warning("consumer pauses", consumer=definition.name, error=str(error))
            await backoff.wait()
        except Exception:
            log.exception("consumer stumbled", consumer=definition.name)
            await backoff.wait()


async def _recreate(bus: Bus, definition: ConsumerDefinition) -> None:
    try:
        await reconcile_consumer(bus, definition)
    except EverloopError as error:
        log.warning("consumer cannot be recreated yet", consumer=definition.name, error=str(error))


@asynccontextmanager
async def heartbeat(deliveries: Collection[Delivery], definition: ConsumerDefinition) -> AsyncIterator[None]:
    """Tell the broker that messages are being worked on, so that they are not delivered again meanwhile.

    Args:
        deliveries: Those in hand; looked at anew each time.
        definition: The consumer they come from.
    """

    async def beat() -> None:
        while True:
            await asyncio.sleep(definition.ack_wait.total_seconds() / 4)
            try:
                for delivery in tuple(deliveries):
                    await delivery.in_progress()
            except EverloopError as error:
                log.warning("heartbeat failed", consumer=definition.name, error=str(error))

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
