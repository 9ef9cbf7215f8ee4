"""Saying a message straight to the bus, where no transaction stands behind it."""

from uuid import uuid4

from contracts.envelope import CONTENT_TYPE, seal
from contracts.message import Message, utc_now
from services.chassis.bus import MESSAGE_ID, Bus
from services.chassis.delivery import Receipt
from services.chassis.telemetry import Telemetry, current_traceparent


async def say(
    bus: Bus, message: Message, *, source: str, telemetry: Telemetry, message_id: str | None = None
) -> Receipt:
    """Publish a message and wait until the stream has it.

    Args:
        bus: Where to.
        message: What.
        source: Who says it.
        telemetry: Opens the publication's span.
        message_id: Set it to try again after a failure without saying it twice.

    Raises:
        BusUnavailableError: It may be stored or not; say it again under the same id.
        StreamFullError: The stream takes no more.
    """
    message_id = message_id or str(uuid4())
    subject = message.address()
    traceparent = current_traceparent()
    body = seal(message, message_id=message_id, source=source, time=utc_now(), traceparent=traceparent).to_bytes()
    with telemetry.publishing(subject, message_id, len(body), traceparent) as headers:
        return await bus.publish(
            subject, body, headers={**headers, MESSAGE_ID: message_id, "Content-Type": CONTENT_TYPE}
        )
