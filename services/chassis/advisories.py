"""The backstop: what the broker stopped delivering becomes a dead letter too.

A message that kills its consumer each time is never settled. The broker stops at its own limit and says so in an
advisory, kept in a stream so that it waits for the service to live again.
"""

import json
from collections.abc import Iterable
from datetime import timedelta

from contracts.streams import ADVISORIES, COMMANDS
from services.chassis import dead_letters
from services.chassis.backoff import Backoff
from services.chassis.bus import Bus, NotOnBusError
from services.chassis.delivery import Delivery
from services.chassis.errors import TransientError
from services.chassis.handling import Outcome
from services.chassis.logs import Log
from services.chassis.streams import ConsumerDefinition

EXHAUSTED = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES"

log = Log(__name__)


def backstop_of(service: str, consumers: Iterable[ConsumerDefinition]) -> ConsumerDefinition:
    """Name the consumer that hears when another one's message was given up by the broker."""
    subjects = tuple(sorted(f"{EXHAUSTED}.{each.stream}.{each.name}" for each in consumers))
    return ConsumerDefinition(
        ADVISORIES.name, f"{service}__advisories", subjects, ack_wait=timedelta(seconds=5), max_deliveries=-1
    )


class Backstop:
    """Handles advisories of one service's consumers."""

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service

    async def handle(self, delivery: Delivery) -> Outcome:
        """Keep the message that an advisory is about."""
        backoff = Backoff()
        while True:
            try:
                await self._bury(json.loads(delivery.body))
                await delivery.ack()
            except TransientError as error:
                log.warning("advisory waits", error=str(error))
                await backoff.wait()
            else:
                return Outcome.HANDLED

    async def _bury(self, advisory: dict[str, object]) -> None:
        stream, sequence = str(advisory["stream"]), int(str(advisory["stream_seq"]))
        await dead_letters.bury_exhausted(
            self._bus,
            service=self._service,
            stream=stream,
            consumer=str(advisory["consumer"]),
            sequence=sequence,
            deliveries=int(str(advisory["deliveries"])),
        )
        if stream == COMMANDS.name:
            # A work queue lets go of a message only when it is settled, and this one never will be.
            try:
                await self._bus.ask(f"STREAM.MSG.DELETE.{stream}", seq=sequence)
            except NotOnBusError:
                return
