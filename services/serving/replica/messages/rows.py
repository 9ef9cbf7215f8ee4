"""Rows that are scored as they arrive: ``rows.<model>.<key>`` in, ``scores.<model>.<key>`` out, at least once.

A row is let go of once its scores are stored; both carry ids made from the row's place in its stream, so that a row
scored again after a crash is the same prediction and is not told twice.

Where rows of one key keep their order, the broker pins the consumer to one replica. When that one dies another takes
over, and the broker may hand it new rows before those that died with the first. So it first waits until nobody else
holds any, then goes on in the order of the stream.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import groupby
from uuid import UUID, uuid5

from contracts.inference import Streaming
from contracts.streams import ROWS, ROWS_SUBJECT, SCORES_SUBJECT
from services.chassis import dead_letters
from services.chassis.backoff import Backoff
from services.chassis.bus import MESSAGE_ID, Bus
from services.chassis.consumers import heartbeat, keep_pulling
from services.chassis.delivery import Delivery
from services.chassis.errors import EverloopError, TransientError
from services.chassis.logs import Log
from services.chassis.pulls import Pull
from services.chassis.streams import ConsumerDefinition, reconcile_consumer
from services.chassis.waiting import unless
from services.serving.replica import v1, v2
from services.serving.replica.answering import Answering
from services.serving.replica.errors import MODEL_FAILED, RequestError, log_bug
from services.serving.replica.messages.counts import QueueCounts

ROW_IDS = UUID("2f0b3a55-6f0d-4c1e-8f2a-0d9f0f6f6c02")
"""Namespace: the predictions of a row are known by its place in the stream."""
BATCH = 64
LOOK_AGAIN_S = 0.5
NOT_NOW = frozenset({429, 503})
FAILS = frozenset({500, 504})
TRIES = 3
"""Of a row that the model fails on."""

log = Log(__name__)


def rows_of(model: str, streaming: Streaming) -> ConsumerDefinition:
    """Name the consumer that all replicas of a model share, or have one after another."""
    return ConsumerDefinition(
        ROWS.name,
        f"rows__{model}",
        (f"{ROWS_SUBJECT}.{model}", f"{ROWS_SUBJECT}.{model}.>"),
        ack_wait=timedelta(seconds=3),
        max_deliveries=-1,
        in_flight=1024,
        pinned=streaming.order_by_key,
        description=f"Rows that replicas of {model} score.",
    )


class Rows:
    """Scores the rows of one model."""

    def __init__(self, bus: Bus, answering: Answering) -> None:
        self._bus = bus
        self._answering = answering
        self._definition = rows_of(answering.model, Streaming())
        self._turn = ""
        self._done_through = 0
        self.counts = QueueCounts()

    async def run(self, stopping: asyncio.Event) -> None:
        """Score as the version that answers declares it, until asked to stop; then finish what is in hand."""
        while not stopping.is_set():
            streaming = self._streaming
            if streaming is not None:
                try:
                    await self._stream(streaming, stopping)
                except TransientError as error:
                    log.warning("rows wait", model=self._answering.model, detail=str(error))
            await unless(stopping, asyncio.sleep(LOOK_AGAIN_S))

    @property
    def _streaming(self) -> Streaming | None:
        answering = self._answering.shelf.answering
        return answering.streaming if answering else None

    async def _stream(self, streaming: Streaming, stopping: asyncio.Event) -> None:
        self._definition = rows_of(self._answering.model, streaming)
        await reconcile_consumer(self._bus, self._definition)

        async def step(pull: Pull) -> None:
            batch = await unless(stopping, pull.some(BATCH))
            if not batch:
                self.counts.waiting = 0
                return
            async with heartbeat(batch, self._definition):
                if streaming.order_by_key:
                    await self._settle_succession(pull, batch, stopping)
                self.counts.waiting = batch[-1].pending if batch else self.counts.waiting
                await self._score_all(batch, stopping, by_key=streaming.order_by_key)

        await keep_pulling(self._bus, self._definition, step, lambda: stopping.is_set() or self._streaming != streaming)
        if streaming.order_by_key and self._turn:
            await self._hand_over()

    async def _settle_succession(self, pull: Pull, batch: list[Delivery], stopping: asyncio.Event) -> None:
        """Leave in the batch what is this replica's turn, in the order of the stream.

        As long as its turn goes on, that is everything that was not done before. With a new one, others may hold rows
        that came earlier, or a broken connection may have swallowed some: those are waited for, until they are
        settled or handed to this replica.
        """
        turn = pull.turn
        while turn and turn != self._turn and not stopping.is_set():
            place = f"{self._definition.stream}.{self._definition.name}"
            info = await self._bus.ask(f"CONSUMER.INFO.{place}")
            if info["num_ack_pending"] <= len({each.sequence for each in batch}):
                self._turn, self._done_through = turn, 0
                break
            batch += await unless(stopping, pull.some(BATCH, LOOK_AGAIN_S)) or []
            if pull.turn != turn:
                break
        if not turn or turn != self._turn:
            # The turn is over: whoever has the pin now gets them, and waits for them.
            for delivery in batch:
                await delivery.nak(0)
            batch.clear()
            return
        latest = {delivery.sequence: delivery for delivery in batch}
        for sequence in [sequence for sequence in latest if sequence <= self._done_through]:
            await latest.pop(sequence).ack()
        batch[:] = [latest[sequence] for sequence in sorted(latest)]

    async def _score_all(self, batch: list[Delivery], stopping: asyncio.Event, *, by_key: bool) -> None:
        """Score rows side by side and say each key's scores one after another; at the end nothing is in hand."""
        rows = tuple(batch)
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = {each.sequence: tasks.create_task(self._score(each, stopping)) for each in rows}
                for part in _parts(rows, by_key=by_key):
                    tasks.create_task(self._say(part, asked, batch, stopping))
        finally:
            if batch:
                # They come again out of turn: the order is settled anew.
                self._turn = ""
            elif rows:
                self._done_through = rows[-1].sequence
            for delivery in batch:
                with suppress(EverloopError):
                    await delivery.nak(0)

    async def _say(
        self,
        deliveries: Sequence[Delivery],
        asked: Mapping[int, asyncio.Task[v2.Reply | RequestError]],
        batch: list[Delivery],
        stopping: asyncio.Event,
    ) -> None:
        for delivery in deliveries:
            backoff = Backoff()
            while True:
                try:
                    await self._settle(delivery, await asked[delivery.sequence])
                except TransientError as error:
                    log.warning("scores wait", subject=delivery.subject, detail=str(error))
                    await unless(stopping, backoff.wait())
                    if stopping.is_set():
                        return
                else:
                    break
            batch.remove(delivery)

    async def _score(self, delivery: Delivery, stopping: asyncio.Event) -> v2.Reply | RequestError:
        """Ask the model; while it has no time, wait."""
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        headers.setdefault(v2.ROUTING_KEY_HEADER, delivery.subject)
        backoff = Backoff()
        tries = 0
        while True:
            tries += 1
            try:
                return await v1.predict(self._answering, delivery.body, headers, request_id=_id(delivery))
            except RequestError as error:
                gives_up = tries >= TRIES if error.status in FAILS else error.status not in NOT_NOW
                if gives_up or stopping.is_set():
                    return error
                await unless(stopping, backoff.wait())
                if stopping.is_set():
                    return error
            except Exception as error:
                log_bug(log, "row failed", error, subject=delivery.subject)
                return RequestError(500, MODEL_FAILED)

    async def _settle(self, delivery: Delivery, answer: v2.Reply | RequestError) -> None:
        if isinstance(answer, RequestError):
            if answer.status in NOT_NOW:
                raise TransientError("model_has_no_time", detail=str(answer))
            await self._bury(delivery, f"row_refused_{answer.status}", str(answer))
            return
        subject = SCORES_SUBJECT + delivery.subject.removeprefix(ROWS_SUBJECT)
        await self._bus.publish(subject, answer.body, headers={**answer.headers, MESSAGE_ID: str(_id(delivery))})
        await delivery.ack()
        self.counts.completed += 1

    async def _bury(self, delivery: Delivery, reason: str, detail: str) -> None:
        message_id = delivery.headers.get(MESSAGE_ID, delivery.fallback_id)
        await dead_letters.bury(
            self._bus, delivery, service="serving", reason=reason, detail=detail, message_id=message_id
        )
        await delivery.term(reason)
        self.counts.dead += 1

    async def _hand_over(self) -> None:
        """Let another replica take over at once; without this it waits for a sign of life that does not come."""
        self._turn = ""
        place = f"{self._definition.stream}.{self._definition.name}"
        with suppress(EverloopError):
            await self._bus.ask(f"CONSUMER.UNPIN.{place}", group=self._definition.group)


def _parts(deliveries: Sequence[Delivery], *, by_key: bool) -> Iterable[list[Delivery]]:
    """Cut a batch into what must be said one after another."""
    if not by_key:
        return [[delivery] for delivery in deliveries]
    # Sorting is stable, so each key's rows stay in the order of the stream.
    ordered = sorted(deliveries, key=lambda delivery: delivery.subject)
    return [list(part) for _, part in groupby(ordered, key=lambda delivery: delivery.subject)]


def _id(delivery: Delivery) -> UUID:
    # A stream that was made anew counts from one again; its times tell the rows apart.
    return uuid5(ROW_IDS, f"{delivery.stream}:{delivery.sequence}:{delivery.stored_at.isoformat()}")
