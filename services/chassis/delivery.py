"""Messages as the broker hands them over and keeps them, and how their headers are written."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class Receipt:
    """The broker's word that a message is stored."""

    stream: str
    sequence: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream keeps it."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    body: bytes
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came over the wire, from whoever sent it."""

    subject: str
    reply: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message handed to a consumer, until it is settled by exactly one of ack, nak and term."""

    subject: str
    body: bytes
    headers: Mapping[str, str]
    stream: str
    consumer: str
    sequence: int
    deliveries: int
    stored_at: datetime
    answer: Callable[[bytes], Awaitable[None]]
    pending: int = 0
    """Messages of the consumer that nobody was handed yet."""

    @property
    def fallback_id(self) -> str:
        """Name the message by its place in the stream; the same at every delivery."""
        return f"{self.stream}:{self.sequence}"

    async def ack(self) -> None:
        """Say that it is done."""
        await self.answer(b"+ACK")

    async def nak(self, delay_s: float) -> None:
        """Ask for it again after a while."""
        await self.answer(b"-NAK " + json.dumps({"delay": int(delay_s * 1e9)}).encode())

    async def term(self, reason: str) -> None:
        """Never ask for it again. The reason lands in the broker's advisory, which the client's own term leaves out."""
        await self.answer(b"+TERM " + quote(reason, safe=" :;,.'").encode()[:200])

    async def in_progress(self) -> None:
        """Say that it is still being worked on, so that it is not delivered again."""
        await self.answer(b"+WPI")


def delivery_of(arrival: Arrival, answer: Callable[[bytes], Awaitable[None]]) -> Delivery:
    """Read what the broker writes into the reply subject of a message that it hands to a consumer."""
    # $JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.consumer sequence.nanoseconds.pending[.token]
    words = arrival.reply.split(".")
    if len(words) > 9:
        del words[2:4]
    stream, consumer, deliveries, sequence, _, nanoseconds, pending = words[2:9]
    seconds, rest = divmod(int(nanoseconds), 10**9)
    return Delivery(
        subject=arrival.subject,
        body=arrival.body,
        headers=arrival.headers,
        stream=stream,
        consumer=consumer,
        sequence=int(sequence),
        deliveries=int(deliveries),
        stored_at=datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest // 1000),
        answer=answer,
        pending=int(pending),
    )


def written(headers: Mapping[str, str]) -> dict[str, str]:
    """Percent-encode values, as CloudEvents does: others come back in two different types, depending on who reads."""
    return {name: encoded(value) for name, value in headers.items()}


def encoded(value: str) -> str:
    """Percent-encode one value."""
    return quote(value, safe=" !#$&'()*+,/:;<=>?@[]^_`{|}~")


def read(headers: Mapping[str, object]) -> dict[str, str]:
    """Undo `written`."""
    return {name: unquote(str(value)) for name, value in headers.items()}


def parsed(raw: bytes) -> dict[str, str]:
    """Read headers from the block that streams keep them in."""
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return read({name: value.strip() for name, _, value in pairs})
