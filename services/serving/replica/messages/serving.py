"""All that a replica does on the broker besides following: from the moment a version answers until it shall end."""

import asyncio

from services.chassis.backoff import Backoff
from services.chassis.bus import Bus
from services.chassis.errors import EverloopError
from services.chassis.logs import Log
from services.chassis.streams import reconcile_consumer
from services.chassis.telemetry import Telemetry
from services.chassis.waiting import unless
from services.serving.desired import MessageCounts
from services.serving.inferences.results import Results
from services.serving.replica.answering import Answering
from services.serving.replica.messages.replying import Replying
from services.serving.replica.messages.requests import Requests, requests_of
from services.serving.replica.messages.rows import Rows

log = Log(__name__)


class Messages:
    """Requests with a reply, queued requests and rows of one replica."""

    def __init__(
        self,
        bus: Bus,
        answering: Answering,
        telemetry: Telemetry,
        *,
        replica: str,
        requests_at_once: int,
        queued_at_once: int,
        max_request_bytes: int,
    ) -> None:
        self._bus = bus
        self._answering = answering
        self._replying = Replying(
            bus, answering, replica=replica, at_once=requests_at_once, max_request_bytes=max_request_bytes
        )
        self._requests = Requests(bus, answering, telemetry, Results(bus), at_once=queued_at_once)
        self._rows = Rows(bus, answering)
        self.ready = asyncio.Event()
        """Set once requests are taken."""

    @property
    def counts(self) -> MessageCounts:
        """What was done since the start."""
        replied, queued, rows = self._replying.counts, self._requests.counts, self._rows.counts
        return MessageCounts(
            replied=replied.answered,
            reply_errors=replied.failed,
            refused=replied.refused,
            requests_completed=queued.completed,
            requests_failed=queued.failed,
            requests_waiting=queued.waiting,
            rows_scored=rows.completed,
            rows_waiting=rows.waiting,
            dead_letters=queued.dead + rows.dead,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until asked to stop, then finish what is in hand: no request is lost."""
        if await unless(stopping, self._answering.shelf.answers.wait()) is None:
            return
        async with self._replying.replying(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work_off(stopping))
            tasks.create_task(self._rows.run(stopping))
            self.ready.set()
            await stopping.wait()

    async def _work_off(self, stopping: asyncio.Event) -> None:
        backoff = Backoff()
        while not stopping.is_set():
            try:
                await reconcile_consumer(self._bus, requests_of(self._answering.model))
            except EverloopError as error:
                # The service makes the streams; a replica can be there before them.
                log.warning("queue of requests is not there yet", detail=str(error))
                await unless(stopping, backoff.wait())
            else:
                await self._requests.run(stopping)
