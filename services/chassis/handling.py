"""What becomes of one delivery: read, handled in a transaction, answered; or retried, or given up with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from opentelemetry.trace import Span

from contracts import telemetry as names
from contracts.catalog import decode
from contracts.envelope import Envelope, UnreadableMessageError, read_envelope
from contracts.message import Message, utc_now
from services.chassis import dead_letters, inbox
from services.chassis.backoff import Backoff
from services.chassis.bus import Bus, BusUnavailableError
from services.chassis.database import DatabaseUnavailableError
from services.chassis.dead_letters import ORIGINAL_ID
from services.chassis.delivery import Delivery
from services.chassis.errors import MalformedError, RejectedError, TransientError
from services.chassis.logs import Log
from services.chassis.subscriptions import Cause, Subscription
from services.chassis.telemetry import Telemetry, context_of, fail
from services.chassis.work import Work

log = Log(__name__)


class Outcome(StrEnum):
    """What became of a delivery."""

    HANDLED = "handled"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a service is. Messages behind the one that is retried wait, so the sum bounds their delay.

    The broker itself stops after ``max_deliveries``, which only a message that kills its consumer reaches.
    """

    first_s: float = 0.25
    longest_s: float = 8.0
    bugs: int = 5
    transients: int = 12
    max_deliveries: int = 20
    ack_wait_s: float = 5.0
    """How soon the message that a killed process held is delivered again. Heartbeats stretch it for live ones."""

    def delay_s(self, deliveries: int) -> float:
        """Say how long to wait after so many deliveries."""
        return min(self.first_s * 2.0 ** min(deliveries - 1, 30), self.longest_s)


class Handling:
    """Handles deliveries of one consumer."""

    def __init__(
        self,
        work: Work,
        bus: Bus,
        telemetry: Telemetry,
        subscriptions: Mapping[type[Message], Subscription],
        retries: Retries,
    ) -> None:
        self._work = work
        self._bus = bus
        self._telemetry = telemetry
        self._subscriptions = subscriptions
        self._retries = retries

    async def handle(self, delivery: Delivery) -> Outcome:
        """Handle a delivery and settle it.

        An absent database or broker is nobody's fault: the message waits here, alive, and costs no delivery.
        """
        backoff = Backoff()
        while True:
            try:
                return await self._attempt(delivery)
            except (DatabaseUnavailableError, BusUnavailableError) as error:
                log.warning("message waits", consumer=delivery.consumer, subject=delivery.subject, error=str(error))
                await backoff.wait()

    async def _attempt(self, delivery: Delivery) -> Outcome:
        if delivery.deliveries >= self._retries.max_deliveries:
            detail = f"delivered {delivery.deliveries} times and never settled"
            return await self._give_up(delivery, _id(delivery), "deliveries_exhausted", detail)
        headers = {**delivery.headers}
        if ORIGINAL_ID in headers:
            headers["Nats-Msg-Id"] = headers[ORIGINAL_ID]
        try:
            envelope = read_envelope(
                delivery.body,
                subject=delivery.subject,
                headers=headers,
                fallback_id=delivery.fallback_id,
                received_at=delivery.stored_at,
            )
        except UnreadableMessageError as error:
            return await self._give_up(delivery, _id(delivery), error.slug, error.detail)
        with self._telemetry.processing(
            delivery.subject,
            envelope.id,
            len(delivery.body),
            consumer=delivery.consumer,
            traceparent=envelope.traceparent,
            headers=headers,
        ) as span:
            outcome = await self._process(delivery, envelope, span)
            span.set_attribute(names.OUTCOME, outcome.value)
            return outcome

    async def _process(self, delivery: Delivery, envelope: Envelope, span: Span) -> Outcome:
        try:
            message = decode(envelope)
            subscription = self._subscriptions.get(type(message))
            if subscription is None:
                raise UnreadableMessageError("not_heard", f"{self._work.service} does not hear {envelope.type}")
            handled = await self._transact(delivery, envelope, message, subscription, span)
        except DatabaseUnavailableError:
            raise
        except UnreadableMessageError as error:
            fail(span, error)
            return await self._give_up(delivery, envelope.id, error.slug, error.detail)
        except RejectedError as error:
            log.warning("message rejected", subject=delivery.subject, message_id=envelope.id, reason=str(error))
            await delivery.ack()
            return Outcome.REJECTED
        except MalformedError as error:
            fail(span, error)
            return await self._give_up(delivery, envelope.id, error.slug, str(error), error)
        except TransientError as error:
            fail(span, error)
            return await self._retry(delivery, envelope.id, error.slug, error, self._retries.transients)
        except Exception as error:
            fail(span, error)
            log.exception("handler failed", subject=delivery.subject, message_id=envelope.id)
            return await self._retry(delivery, envelope.id, "handler_failed", error, self._retries.bugs)
        await delivery.ack()
        return Outcome.HANDLED if handled else Outcome.DUPLICATE

    async def _transact(
        self, delivery: Delivery, envelope: Envelope, message: Message, subscription: Subscription, span: Span
    ) -> bool:
        cause = Cause(
            message_id=envelope.id,
            correlation_id=envelope.correlationid or envelope.id,
            said_at=envelope.time,
            received_at=delivery.stored_at,
            traceparent=context_of(span),
            replayed=ORIGINAL_ID in delivery.headers,
        )
        async with self._work.transaction() as transaction:
            if not await inbox.remember(transaction.session, delivery.consumer, envelope.id, utc_now()):
                return False
            ports = {
                name: cause if port is Cause else transaction.port(port) for name, port in subscription.ports.items()
            }
            for said in await subscription.handler(message, **ports):
                transaction.say(said, cause=cause)
        return True

    async def _retry(self, delivery: Delivery, message_id: str, slug: str, error: Exception, limit: int) -> Outcome:
        if delivery.deliveries >= limit:
            detail = f"{type(error).__name__}: {error}"
            return await self._give_up(delivery, message_id, slug, detail, error)
        delay_s = self._retries.delay_s(delivery.deliveries)
        log.info(
            "message will be tried again",
            subject=delivery.subject,
            message_id=message_id,
            reason=slug,
            deliveries=delivery.deliveries,
            delay_s=delay_s,
        )
        await delivery.nak(delay_s)
        return Outcome.RETRIED

    async def _give_up(
        self, delivery: Delivery, message_id: str, slug: str, detail: str, error: Exception | None = None
    ) -> Outcome:
        await dead_letters.bury(
            self._bus,
            delivery,
            service=self._work.service,
            reason=slug,
            detail=detail,
            message_id=message_id,
            error=error,
        )
        await delivery.term(slug)
        return Outcome.DEAD_LETTERED


def _id(delivery: Delivery) -> str:
    return delivery.headers.get(ORIGINAL_ID) or delivery.headers.get("Nats-Msg-Id") or delivery.fallback_id
