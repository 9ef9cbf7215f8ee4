"""The client's own thin end of the bus: publish, and hear what the streams keep."""

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.aio.client import Client
from nats.errors import Error, MaxPayloadError, NoRespondersError
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from contracts import catalog
from contracts.envelope import CONTENT_TYPE, Envelope, UnreadableMessageError, read_envelope, seal
from contracts.message import Message, utc_now
from contracts.streams import EVENTS
from everloop.client.errors import BusyError, PlatformUnreachableError, RefusedError

ANSWER_TIMEOUT_S = 5.0
STREAM_FULL_CODES = frozenset({10047, 10077})


@dataclass(frozen=True, slots=True)
class Receipt:
    """The broker's word that a message is stored.

    ``mark`` is the place in the event stream just before it was: what it leads to comes after.
    """

    message_id: str
    subject: str
    stream: str
    sequence: int
    duplicate: bool
    mark: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as it was heard; ``message`` is unset where its type is unknown here."""

    sequence: int
    stored_at: datetime
    envelope: Envelope
    message: Message | None


class Bus:
    """One connection to the broker."""

    def __init__(self, client: Client, js: JetStreamContext) -> None:
        self._client = client
        self._js = js

    async def say(self, message: Message, *, source: str = "client", traceparent: str | None = None) -> Receipt:
        """Publish a message of the vocabulary in its envelope.

        Raises:
            BusyError: Its stream is full.
            PlatformUnreachableError: The broker does not answer.
        """
        message_id = str(uuid.uuid4())
        envelope = seal(message, message_id=message_id, source=source, time=utc_now(), traceparent=traceparent)
        return await self.publish(
            message.address(), envelope.to_bytes(), message_id=message_id, headers={"Content-Type": CONTENT_TYPE}
        )

    async def publish(
        self, subject: str, body: bytes, *, message_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Receipt:
        """Publish bytes as they are; plain JSON is given an envelope by whoever hears it.

        Args:
            subject: The full subject, the pipeline's name last.
            body: What is sent.
            message_id: The same id is stored once within the broker's window; unset: a new one.
            headers: Sent beside it.

        Raises:
            BusyError: The stream is full.
            RefusedError: No stream keeps the subject, or the body is larger than the broker takes.
            PlatformUnreachableError: The broker does not answer.
        """
        message_id = message_id or str(uuid.uuid4())
        mark = await self.mark()
        try:
            ack = await self._js.publish(subject, body, headers={"Nats-Msg-Id": message_id, **(headers or {})})
        except NoStreamResponseError as error:
            raise RefusedError(f"nobody listens on {subject}; `everloop publish --help` lists the commands") from error
        except MaxPayloadError as error:
            raise RefusedError(f"the message has {len(body)} bytes, more than the broker takes") from error
        except APIError as error:
            if error.err_code in STREAM_FULL_CODES:
                raise BusyError("the queue is full; try again once the platform has worked it off") from error
            raise RefusedError(f"the broker refuses: {error.description}") from error
        except (Error, TimeoutError) as error:
            raise PlatformUnreachableError(f"the broker does not answer: {error}") from error
        return Receipt(message_id, subject, ack.stream, ack.seq, bool(ack.duplicate), mark)

    async def request(
        self, subject: str, body: bytes, *, headers: Mapping[str, str] | None = None, within_s: float = ANSWER_TIMEOUT_S
    ) -> bytes:
        """Ask whoever answers on a subject now.

        Raises:
            BusyError: They have no time now.
            RefusedError: Their answer is an error.
            PlatformUnreachableError: Nobody answers, or not in time.
        """
        try:
            reply = await self._client.request(subject, body, timeout=within_s, headers=dict(headers or {}))
        except MaxPayloadError as error:
            raise RefusedError(f"the message has {len(body)} bytes, more than the broker takes") from error
        except NoRespondersError as error:
            raise PlatformUnreachableError(f"nobody answers on {subject}") from error
        except (Error, TimeoutError) as error:
            raise PlatformUnreachableError(f"no answer on {subject} within {within_s:g} s") from error
        said = reply.headers or {}
        if code := said.get("Nats-Service-Error-Code"):
            kind = BusyError if code in {"429", "503"} else RefusedError
            raise kind(f"{said.get('Nats-Service-Error')} ({code})")
        return bytes(reply.data)

    async def mark(self) -> int:
        """Read the place of the newest event, to follow from there."""
        try:
            return int((await self._js.stream_info(EVENTS.name)).state.last_seq)
        except NotFoundError:
            return 0
        except (Error, TimeoutError) as error:
            raise PlatformUnreachableError(f"the broker does not answer: {error}") from error

    async def follow(
        self, subject: str = "events.>", *, since: int | None = None, stream: str = EVENTS.name
    ) -> AsyncGenerator[Heard]:
        """Hear events in order, without end.

        Args:
            subject: Which, with NATS wildcards.
            since: Begin after this place in the stream; 0 for the oldest kept, unset for new ones only.
            stream: The stream that keeps them.
        """
        start: dict[str, Any] = (
            {"deliver_policy": DeliverPolicy.NEW}
            if since is None
            else {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": since + 1}
        )
        try:
            subscription = await self._js.subscribe(
                subject, stream=stream, ordered_consumer=True, config=ConsumerConfig(**start)
            )
        except (Error, TimeoutError) as error:
            raise PlatformUnreachableError(f"stream {stream} cannot be read: {error}") from error
        try:
            async for delivery in subscription.messages:
                place = delivery.metadata
                yield _heard(delivery.subject, delivery.data, dict(delivery.headers or {}), place)
        finally:
            # Whoever stops listening may have closed the connection first.
            with suppress(Error):
                await subscription.unsubscribe()

    async def past(self, subject: str = "events.>", *, stream: str = EVENTS.name) -> AsyncGenerator[Heard]:
        """Read the events kept so far, oldest first, and stop at the newest."""
        newest = (await self.newest(stream))["last_seq"]
        last_of_subject = await self._last(stream, subject, newest)
        if last_of_subject == 0:
            return
        async with aclosing(self.follow(subject, since=0, stream=stream)) as story:
            async for heard in story:
                yield heard
                if heard.sequence >= last_of_subject:
                    return

    async def _last(self, stream: str, subject: str, newest: int) -> int:
        """Find the newest message of a subject; 0 if there is none. A subject with wildcards is the stream's all."""
        try:
            answer = await self.ask(f"STREAM.MSG.GET.{stream}", last_by_subj=subject)
        except RefusedError:
            return 0
        return min(int(answer["message"]["seq"]), newest)

    async def newest(self, stream: str) -> Mapping[str, Any]:
        """Read a stream's own counts: messages, bytes, first and last sequence."""
        answer: Mapping[str, Any] = (await self.ask(f"STREAM.INFO.{stream}"))["state"]
        return answer

    async def ask(self, what: str, **request: object) -> dict[str, Any]:
        """Call the JetStream API in its own words.

        Raises:
            PlatformUnreachableError: No answer.
            RefusedError: The broker's answer is an error.
        """
        try:
            reply = await self._client.request(
                f"$JS.API.{what}", json.dumps(request).encode(), timeout=ANSWER_TIMEOUT_S
            )
        except (Error, NoRespondersError, TimeoutError) as error:
            raise PlatformUnreachableError(f"the broker does not answer: {error}") from error
        answer: dict[str, Any] = json.loads(reply.data)
        if fault := answer.get("error"):
            raise RefusedError(f"the broker refuses {what}: {fault.get('description')}")
        return answer


@asynccontextmanager
async def connect_bus(url: str) -> AsyncIterator[Bus]:
    """Connect to the broker for the length of a block.

    Raises:
        PlatformUnreachableError: It does not answer.
    """
    options: dict[str, Any] = {}
    if url.startswith("tls://"):
        # Without handshake_first the client sends its credentials in the clear to a server that offers no TLS.
        options = {"tls": ssl.create_default_context(), "tls_handshake_first": True}
    client = Client()
    try:
        # Left to itself the client tries for two minutes before it says that nobody is there.
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await client.connect(url, name="everloop client", connect_timeout=3, error_cb=_ignore, **options)
    except (Error, OSError, TimeoutError) as error:
        await client.close()
        raise PlatformUnreachableError(f"the broker at {url} does not answer") from error
    try:
        yield Bus(client, client.jetstream(timeout=ANSWER_TIMEOUT_S))
    finally:
        with suppress(OSError):
            await client.close()


async def _ignore(_error: Exception) -> None:
    """Every call reports its own failure; without this the client prints tracebacks besides."""


def _heard(subject: str, body: bytes, headers: Mapping[str, str], place: Any) -> Heard:
    stored_at = place.timestamp
    try:
        envelope = read_envelope(
            body,
            subject=subject,
            headers=headers,
            fallback_id=f"{place.stream}:{place.sequence.stream}",
            received_at=stored_at,
        )
    except UnreadableMessageError as error:
        type_, _, pipeline = subject.rpartition(".")
        envelope = Envelope(
            id=f"{place.stream}:{place.sequence.stream}",
            source="/everloop/unreadable",
            type=type_,
            subject=pipeline,
            time=stored_at,
            data={"unreadable": str(error)},
        )
    try:
        message = catalog.decode(envelope)
    except UnreadableMessageError:
        message = None
    return Heard(place.sequence.stream, stored_at, envelope, message)
