"""Dead letters: messages that were given up, with the reason, kept to be looked at, replayed or dropped."""

import traceback
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from contracts.streams import DEAD_LETTERS
from services.chassis.bus import MESSAGE_ID, Bus, NotOnBusError
from services.chassis.delivery import Delivery, Receipt, encoded
from services.chassis.errors import MalformedError
from services.chassis.logs import Log

PREFIX = "Everloop-Dead-"
ORIGINAL_ID = "Everloop-Message-Id"
"""Header of a replayed message: the id it had before. What already handled it under that id skips it."""

# The broker takes 64 KiB of headers at most; these leave room for what names the message.
DETAIL_BYTES = 8 * 1024
STACK_BYTES = 24 * 1024
THEIR_BYTES = 16 * 1024
LONGEST_ID = 256

LARGEST_BODY = 1024 * 1024 - 64 * 1024
"""Above this, body and headers may not fit into one message of 1 MiB: the letter is kept without its body."""

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a consumer gave up."""

    sequence: int
    service: str
    consumer: str
    reason: str
    detail: str
    stack: str
    subject: str
    stream: str
    stream_sequence: int
    message_id: str
    deliveries: int
    died_at: datetime
    headers: Mapping[str, str]
    body: bytes
    body_omitted_bytes: int = 0


async def bury(
    bus: Bus,
    delivery: Delivery,
    *,
    service: str,
    reason: str,
    detail: str,
    message_id: str,
    error: BaseException | None = None,
) -> None:
    """Keep a message as a dead letter. Doing it again within minutes keeps it once."""
    await _keep(
        bus,
        f"dead.{service}.{delivery.consumer}",
        delivery.body,
        {
            **_original(delivery.headers),
            MESSAGE_ID: f"dead:{delivery.stream}:{delivery.consumer}:{delivery.sequence}",
            f"{PREFIX}Reason": reason,
            f"{PREFIX}Detail": _bounded(" ".join(detail.split()), DETAIL_BYTES),
            f"{PREFIX}Stack": _bounded(_stack(error), STACK_BYTES, end=True),
            f"{PREFIX}Subject": delivery.subject,
            f"{PREFIX}Stream": delivery.stream,
            f"{PREFIX}Sequence": str(delivery.sequence),
            f"{PREFIX}Message-Id": message_id[:LONGEST_ID],
            f"{PREFIX}Deliveries": str(delivery.deliveries),
        },
    )
    log.warning(
        "message given up",
        consumer=delivery.consumer,
        subject=delivery.subject,
        message_id=message_id,
        reason=reason,
        deliveries=delivery.deliveries,
    )


async def dead_letters(bus: Bus) -> AsyncIterator[DeadLetter]:
    """Read all dead letters, oldest first."""
    sequence = 1
    while True:
        try:
            stored = await bus.read(DEAD_LETTERS.name, seq=sequence, next_by_subj="dead.>")
        except NotOnBusError:
            return
        yield _read(stored.sequence, stored.subject, stored.headers, stored.body, stored.stored_at)
        sequence = stored.sequence + 1


async def dead_letter(bus: Bus, sequence: int) -> DeadLetter:
    """Read one dead letter by its number.

    Raises:
        NotOnBusError: There is none (any more).
    """
    stored = await bus.read(DEAD_LETTERS.name, seq=sequence)
    return _read(stored.sequence, stored.subject, stored.headers, stored.body, stored.stored_at)


async def replay(bus: Bus, letter: DeadLetter) -> Receipt:
    """Publish a dead letter on its original subject once more, and remove it.

    Every consumer of the subject gets it, under its old id: those that handled it skip it.

    Raises:
        MalformedError: Its body was too large to be kept.
    """
    if letter.body_omitted_bytes:
        raise MalformedError("body_not_kept", size_bytes=letter.body_omitted_bytes, stream=letter.stream)
    headers = {
        **letter.headers,
        # A new id for the stream, which would drop the old one; the same at every try for this letter.
        MESSAGE_ID: f"replay:{letter.sequence}:{letter.died_at.timestamp()}",
        ORIGINAL_ID: letter.message_id,
    }
    receipt = await bus.publish(letter.subject, letter.body, headers=headers)
    await drop(bus, letter)
    return receipt


async def drop(bus: Bus, letter: DeadLetter) -> None:
    """Remove a dead letter."""
    await bus.ask(f"STREAM.MSG.DELETE.{DEAD_LETTERS.name}", seq=letter.sequence)


async def bury_exhausted(bus: Bus, *, service: str, stream: str, consumer: str, sequence: int, deliveries: int) -> None:
    """Keep a message that the broker stopped delivering before the service could give it up itself."""
    try:
        stored = await bus.read(stream, seq=sequence)
    except NotOnBusError:
        return
    message_id = stored.headers.get(MESSAGE_ID, f"{stream}:{sequence}")
    await _keep(
        bus,
        f"dead.{service}.{consumer}",
        stored.body,
        {
            **_original(stored.headers),
            MESSAGE_ID: f"dead:{stream}:{consumer}:{sequence}",
            f"{PREFIX}Reason": "deliveries_exhausted",
            f"{PREFIX}Detail": "delivered again and again, and never settled: the consumer may die of it",
            f"{PREFIX}Stack": "",
            f"{PREFIX}Subject": stored.subject,
            f"{PREFIX}Stream": stream,
            f"{PREFIX}Sequence": str(sequence),
            f"{PREFIX}Message-Id": message_id[:LONGEST_ID],
            f"{PREFIX}Deliveries": str(deliveries),
        },
    )
    log.error("message given up by the broker", consumer=consumer, subject=stored.subject, message_id=message_id)


async def _keep(bus: Bus, subject: str, body: bytes, headers: dict[str, str]) -> None:
    if len(body) > LARGEST_BODY:
        headers, body = {**headers, f"{PREFIX}Body-Omitted": str(len(body))}, b""
    await bus.publish(subject, body, headers=headers)


def _read(sequence: int, subject: str, headers: Mapping[str, str], body: bytes, died_at: datetime) -> DeadLetter:
    def said(name: str) -> str:
        return headers.get(f"{PREFIX}{name}", "")

    _, service, consumer = subject.split(".", 2)
    return DeadLetter(
        sequence=sequence,
        service=service,
        consumer=consumer,
        reason=said("Reason"),
        detail=said("Detail"),
        stack=said("Stack"),
        subject=said("Subject"),
        stream=said("Stream"),
        stream_sequence=int(said("Sequence") or 0),
        message_id=said("Message-Id"),
        deliveries=int(said("Deliveries") or 0),
        died_at=died_at,
        headers=_original(headers),
        body=body,
        body_omitted_bytes=int(said("Body-Omitted") or 0),
    )


def _original(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep what the publisher wrote: neither the broker's headers nor ours."""
    kept: dict[str, str] = {}
    room = THEIR_BYTES
    for name, value in headers.items():
        if name.startswith(("Nats-", PREFIX)) or name == ORIGINAL_ID:
            continue
        room -= len(name) + len(encoded(value))
        if room >= 0:
            kept[name] = value
    return kept


def _stack(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error)) if error else ""


def _bounded(text: str, most_bytes: int, *, end: bool = False) -> str:
    """Shorten a text so that it fits percent-encoded, keeping its beginning or its end."""
    if len(encoded(text)) <= most_bytes:
        return text
    # One character takes nine bytes at the very most.
    return text[-(most_bytes // 9) :] if end else text[: most_bytes // 9]
