"""Requests that are kept until they are answered: each is worked on by one replica, and answered once.

The result is stored under the request's id before it is said, and said before the request is let go of. Who dies in
between leaves it to the next, who finds the stored result and says that. Two replicas at one request (the broker took
the first for dead) store one result: the first's.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid5

import orjson

from contracts.catalog import decode
from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES, Envelope, UnreadableMessageError, read_envelope, seal
from contracts.inference import InferenceCompleted, InferenceFailed, RequestInference
from contracts.message import utc_now
from contracts.streams import INFERENCE
from services.chassis import dead_letters
from services.chassis.backoff import Backoff
from services.chassis.bus import MESSAGE_ID, Bus
from services.chassis.consumers import heartbeat, keep_pulling
from services.chassis.delivery import Delivery
from services.chassis.errors import EverloopError, TransientError
from services.chassis.logs import Log
from services.chassis.pulls import Pull
from services.chassis.streams import ConsumerDefinition
from services.chassis.telemetry import Telemetry, current_traceparent
from services.chassis.waiting import unless
from services.serving.inferences.results import Results
from services.serving.replica import v1
from services.serving.replica.answering import Answering
from services.serving.replica.errors import RequestError, log_bug
from services.serving.replica.messages.counts import QueueCounts

REQUEST_IDS = UUID("2f0b3a55-6f0d-4c1e-8f2a-0d9f0f6f6c01")
"""Namespace: a request without an id is known by its message's."""
ATTEMPTS = 6
"""Times that a request is tried; only what kills its replica or what the model fails on uses them up."""
SUSPECT = 3
"""From this delivery on a request is worked on alone: should it kill the replica, it takes no other with it."""
NOT_NOW = frozenset({429, 503})

log = Log(__name__)


class StoppingError(Exception):
    """The replica ends; the request is for another."""


def requests_of(model: str) -> ConsumerDefinition:
    """Name the consumer that all replicas of a model share."""
    return ConsumerDefinition(
        INFERENCE.name,
        f"inference__{model}",
        (f"{RequestInference.subject}.{model}",),
        ack_wait=timedelta(seconds=5),
        # Replicas count; were the broker to stop first, whoever asked would never hear of it.
        max_deliveries=-1,
        in_flight=1024,
        description=f"What replicas of {model} take requests from.",
    )


class Requests:
    """Works off the queue of one model, several requests at a time."""

    def __init__(self, bus: Bus, answering: Answering, telemetry: Telemetry, results: Results, *, at_once: int) -> None:
        self._bus = bus
        self._answering = answering
        self._telemetry = telemetry
        self._results = results
        self._slots = asyncio.Semaphore(at_once)
        self._at_once = at_once
        self._definition = requests_of(answering.model)
        self.counts = QueueCounts()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until asked to stop, then finish what is in hand."""
        async with asyncio.TaskGroup() as tasks:

            async def step(pull: Pull) -> None:
                if await unless(stopping, self._slots.acquire()) is None:
                    return
                delivery = None
                try:
                    delivery = await unless(stopping, pull.next())
                finally:
                    if delivery is None:
                        self._slots.release()
                if delivery is None:
                    self.counts.waiting = 0
                    return
                self.counts.waiting = delivery.pending
                if delivery.deliveries < SUSPECT:
                    tasks.create_task(self._work(delivery, stopping))
                else:
                    await self._alone(delivery, stopping)

            await keep_pulling(self._bus, self._definition, step, stopping.is_set)

    async def _alone(self, delivery: Delivery, stopping: asyncio.Event) -> None:
        async with heartbeat([delivery], self._definition):
            for _ in range(self._at_once - 1):
                await self._slots.acquire()
        await self._work(delivery, stopping)
        for _ in range(self._at_once - 1):
            self._slots.release()

    async def _work(self, delivery: Delivery, stopping: asyncio.Event) -> None:
        try:
            async with heartbeat([delivery], self._definition):
                await self._insist(delivery, stopping)
        except StoppingError:
            await self._give_back(delivery, 0)
        except Exception as error:
            # Whatever it is, the request comes again and is given up in the end, with an answer.
            log_bug(log, "request stumbled", error, subject=delivery.subject, deliveries=delivery.deliveries)
            await self._give_back(delivery, 1.0)
        finally:
            self._slots.release()

    async def _give_back(self, delivery: Delivery, delay_s: float) -> None:
        # Where the broker does not hear it, the request comes again by itself, later.
        with suppress(EverloopError):
            await delivery.nak(delay_s)

    async def _insist(self, delivery: Delivery, stopping: asyncio.Event) -> None:
        """Settle a request; an absent broker, or a model that has no time now, costs patience and no delivery."""
        backoff = Backoff()
        while True:
            try:
                await self._settle(delivery)
            except (TransientError, RequestError) as error:
                log.warning("request waits", subject=delivery.subject, detail=str(error))
                await unless(stopping, backoff.wait())
                if stopping.is_set():
                    raise StoppingError from error
            else:
                return

    async def _settle(self, delivery: Delivery) -> None:
        try:
            envelope = _read(delivery)
            request = decode(envelope)
        except UnreadableMessageError as error:
            await self._bury(delivery, error.slug, error.detail)
            return
        assert isinstance(request, RequestInference)
        request_id = request.request_id or uuid5(REQUEST_IDS, envelope.id)
        with self._telemetry.processing(
            delivery.subject,
            envelope.id,
            len(delivery.body),
            consumer=delivery.consumer,
            traceparent=envelope.traceparent,
            headers=delivery.headers,
        ):
            result = await self._results.get(request_id)
            if result is None:
                fresh = await self._answer(request, request_id, envelope, delivery.deliveries)
                result = await self._results.keep(request_id, fresh)
        if result.data["request_digest"] != _digest(request):
            detail = f"{request_id} was asked before, about other rows; its result stays"
            await self._bury(delivery, "request_id_reused", detail)
            return
        await self._bus.publish(
            f"{result.type}.{result.subject}",
            result.to_bytes(),
            headers={MESSAGE_ID: result.id, "Content-Type": CONTENT_TYPE},
        )
        await delivery.ack()
        self.counts.completed += result.type == InferenceCompleted.subject
        self.counts.failed += result.type == InferenceFailed.subject

    async def _answer(
        self, request: RequestInference, request_id: UUID, envelope: Envelope, deliveries: int
    ) -> Envelope:
        """Ask the model and put what it says into the envelope that is stored and said."""

        def sealed(event: InferenceCompleted | InferenceFailed) -> Envelope:
            return seal(
                event,
                message_id=str(request_id),
                source="serving",
                time=utc_now(),
                cause=envelope,
                traceparent=current_traceparent(),
            )

        def failed(status: int, reason: str) -> Envelope:
            return sealed(
                InferenceFailed(
                    pipeline=request.pipeline,
                    request_id=request_id,
                    request_digest=_digest(request),
                    status=status,
                    reason=reason[:2000],
                )
            )

        if deliveries > ATTEMPTS:
            return failed(500, f"given up after {ATTEMPTS} attempts; the logs of the replicas tell why")
        try:
            answer = await self._ask(request, request_id)
        except RequestError as error:
            if error.status in NOT_NOW:
                raise
            if error.status >= 500 and deliveries < ATTEMPTS:
                raise RuntimeError(f"the model failed: {error}") from error
            return failed(error.status, str(error))
        completed = sealed(
            InferenceCompleted(
                pipeline=request.pipeline,
                request_id=request_id,
                request_digest=_digest(request),
                version=answer["version"],
                predictions=answer["predictions"],
                explanation=answer.get("explanation"),
            )
        )
        if (size := len(completed.to_bytes())) > MAX_BODY_BYTES:
            return failed(413, f"the answer has {size} bytes, more than one message takes; ask fewer rows at once")
        return completed

    async def _ask(self, request: RequestInference, request_id: UUID) -> dict[str, object]:
        asked = {"rows": request.by_row(), "routing_key": request.routing_key, "explain": request.explain}
        reply = await v1.predict(
            self._answering,
            orjson.dumps({name: value for name, value in asked.items() if value}),
            {"traceparent": current_traceparent() or ""},
            str(request.version) if request.version else None,
            request_id=request_id,
        )
        answer: dict[str, object] = orjson.loads(reply.body)
        return answer

    async def _bury(self, delivery: Delivery, reason: str, detail: str) -> None:
        message_id = delivery.headers.get(MESSAGE_ID, delivery.fallback_id)
        await dead_letters.bury(
            self._bus, delivery, service="serving", reason=reason, detail=detail, message_id=message_id
        )
        await delivery.term(reason)
        self.counts.dead += 1


def _read(delivery: Delivery) -> Envelope:
    headers = {**delivery.headers}
    if dead_letters.ORIGINAL_ID in headers:
        headers[MESSAGE_ID] = headers[dead_letters.ORIGINAL_ID]
    return read_envelope(
        delivery.body,
        subject=delivery.subject,
        headers=headers,
        fallback_id=delivery.fallback_id,
        received_at=delivery.stored_at,
    )


def _digest(request: RequestInference) -> str:
    """Tell apart what is asked, however it is laid out."""
    asked = request.model_dump(mode="json", exclude={"request_id", "rows", "columns"}) | {"rows": request.by_row()}
    return f"sha256:{sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()}"
