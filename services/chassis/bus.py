"""The bus: NATS JetStream behind a small port, the only module that imports nats.

It knows the sharp edges of the client so that nobody else has to: reconnecting never gives up, errors that
reach no caller are logged, `tls://` never falls back to plaintext, an old server is refused, and every failure
comes out as an error of `chassis.errors`.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, MaxPayloadError, NoRespondersError
from nats.js.errors import APIError, NoStreamResponseError

from services.chassis.bus_errors import (
    BusRefusalError,
    BusUnavailableError,
    ConsumerGoneError,
    NotOnBusError,
    OldServerError,
    StreamFullError,
    refusal,
)
from services.chassis.delivery import Arrival, Receipt, StoredMessage, parsed, read, written
from services.chassis.errors import MalformedError
from services.chassis.logs import Log
from services.chassis.waiting import unless

OLDEST_SERVER = (2, 12)
ANSWER_TIMEOUT_S = 5.0
MESSAGE_ID = "Nats-Msg-Id"

T = TypeVar("T")
Receive = Callable[[Arrival], Awaitable[None]]

log = Log(__name__)


class Bus:
    """One connection to the broker. Made by `connect`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=ANSWER_TIMEOUT_S)
        self.reconnected = asyncio.Event()
        self._last_error = ""

    @property
    def connected(self) -> bool:
        """Tell whether the broker can be reached right now."""
        return bool(self._client.is_connected)

    async def publish(self, subject: str, body: bytes, *, headers: Mapping[str, str]) -> Receipt:
        """Store a message in the stream of its subject and wait until that is certain.

        The headers must name it by ``Nats-Msg-Id``, so that publishing again does no harm.

        Raises:
            BusUnavailableError: No answer; the message may be stored or not.
            StreamFullError: The stream refuses new messages.
            BusRefusalError: No stream keeps the subject, or the broker refuses for another reason.
            MalformedError: The message is larger than the broker takes.
        """
        if MESSAGE_ID not in headers:
            raise ValueError(f"a message is published under an id: set {MESSAGE_ID}")
        self._demand_connection()
        with _translated():
            ack = await self._answer(self._jetstream.publish(subject, body, headers=written(headers)))
        return Receipt(ack.stream, ack.seq, bool(ack.duplicate))

    async def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """Call the JetStream API in its own words, such as ``STREAM.INFO.EVENTS``.

        Raises:
            NotOnBusError: What was asked for does not exist.
            BusRefusalError: The broker refuses.
            BusUnavailableError: No answer.
        """
        self._demand_connection()
        with _translated():
            body = json.dumps(request).encode()
            reply = await self._answer(self._client.request(f"$JS.API.{what}", body, timeout=ANSWER_TIMEOUT_S))
        answer: dict[str, Any] = json.loads(reply.data)
        if error := answer.get("error"):
            raise refusal(error.get("code"), error.get("err_code"), error.get("description"))
        return answer

    async def read(self, stream: str, **which: Any) -> StoredMessage:
        """Read one message that a stream keeps.

        Say which by ``seq=``, ``last_by_subj=``, or ``seq=`` with ``next_by_subj=`` for the next at or after it.

        Raises:
            NotOnBusError: There is none.
        """
        message = (await self.ask(f"STREAM.MSG.GET.{stream}", **which))["message"]
        return StoredMessage(
            message["subject"],
            message["seq"],
            parsed(base64.b64decode(message.get("hdrs", ""))),
            base64.b64decode(message.get("data", "")),
            datetime.fromisoformat(message["time"]),
        )

    async def request(self, subject: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> Arrival:
        """Ask whoever listens on a subject now, and wait for the answer.

        Raises:
            NotOnBusError: Nobody listens.
            BusUnavailableError: No answer in time.
        """
        self._demand_connection()
        with _translated():
            asking = self._client.request(subject, body, timeout=timeout_s, headers=written(headers))
            return _arrival(await self._answer(asking))

    async def send(
        self, subject: str, body: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send to whoever listens now; nothing keeps it.

        Raises:
            MalformedError: It is larger than the broker takes.
        """
        with _translated():
            await self._client.publish(subject, body, reply, written(headers) if headers else None)

    @asynccontextmanager
    async def subscribe(self, subject: str, receive: Receive, *, queue: str = "") -> AsyncIterator[None]:
        """Hear what is sent on a subject, until the block ends; what arrived before that is received.

        Args:
            subject: With wildcards, where needed.
            receive: Called with one message after another; must not wait for long.
            queue: Subscribers of one name share the messages.
        """

        async def hear(message: Msg) -> None:
            await receive(_arrival(message))

        with _translated():
            subscription = await self._client.subscribe(subject, queue, cb=hear)
            # Without a round trip the broker may not know of the subscription yet.
            await _whole(self._client.flush())
        try:
            yield
        finally:
            with suppress(Error, TimeoutError):
                # Nothing arrives over a broken connection; draining would wait for it to be back.
                await (_whole(subscription.drain()) if self.connected else subscription.unsubscribe())

    @asynccontextmanager
    async def listen(self, subject: str) -> AsyncIterator[asyncio.Queue[str]]:
        """Hear subjects as they are published, without any promise: a hint to look, never the truth."""
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def hear(arrival: Arrival) -> None:
            heard.put_nowait(arrival.subject)

        async with self.subscribe(subject, hear):
            yield heard

    def new_inbox(self) -> str:
        """Make a subject that nobody else listens on."""
        return str(self._client.new_inbox())

    def _demand_connection(self) -> None:
        # The client would keep what is published meanwhile and send it some day, after the caller has given up.
        if not self.connected:
            raise BusUnavailableError("bus_unavailable", detail="not connected now")

    async def _answer(self, asking: Awaitable[T]) -> T:
        # An answer that was lost with the connection would be waited for in vain.
        answer = await unless(self.reconnected, asking)
        if answer is None:
            raise BusUnavailableError("bus_unavailable", detail="the connection broke while waiting for the answer")
        return answer

    async def _on_error(self, error: Exception) -> None:
        # A denied permission, say, looks like a timeout to the caller; the reason arrives only here.
        said = str(error) or type(error).__name__
        # A broker that is away is tried four times a second; once is enough to know.
        if said != self._last_error:
            log.warning("bus reported an error", error=said)
        self._last_error = said

    async def _on_disconnected(self) -> None:
        if not (self._client.is_closed or self._client.is_draining):
            log.warning("bus connection lost")

    async def _on_reconnected(self) -> None:
        log.info("bus connection is back")
        self._last_error = ""
        self.reconnected.set()
        self.reconnected = asyncio.Event()


@asynccontextmanager
async def connect(
    url: str, *, name: str, ca_file: Path | None = None, patience_s: float | None = None
) -> AsyncIterator[Bus]:
    """Connect to the broker and stay connected until the block ends.

    Args:
        url: ``nats://`` or ``tls://`` with host and port, user and password where needed.
        name: Who connects, for the broker's own lists.
        ca_file: Certificates that sign the broker's, where the system's do not.
        patience_s: How long to try; unset for ever.

    Raises:
        BusUnavailableError: No broker answered in time.
        OldServerError: The broker is older than 2.12.
    """
    client = Client()
    bus = Bus(client)
    options: dict[str, Any] = {}
    if url.startswith("tls://") or ca_file:
        # Without handshake_first the client sends its credentials in the clear to a server that offers no TLS.
        options = {"tls": ssl.create_default_context(cafile=ca_file), "tls_handshake_first": True}
    try:
        async with asyncio.timeout(patience_s):
            await client.connect(
                url,
                name=f"everloop {name}",
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.25,
                connect_timeout=2,
                ping_interval=10,
                error_cb=bus._on_error,
                disconnected_cb=bus._on_disconnected,
                reconnected_cb=bus._on_reconnected,
                **options,
            )
    except (Error, OSError, TimeoutError) as error:
        await client.close()
        raise BusUnavailableError("bus_unavailable", detail=str(error) or "no answer in time") from error
    try:
        version = client.connected_server_version
        if (version.major, version.minor) < OLDEST_SERVER:
            raise OldServerError("nats_server_too_old", version=str(version), oldest="2.12")
        yield bus
    finally:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await client.drain()
        except (Error, TimeoutError):
            await client.close()


async def _whole(flushing: Awaitable[None]) -> None:
    """Flush to the end even if whoever waits is cancelled: the client drops a connection on a stray answer."""
    flushed = asyncio.ensure_future(flushing)
    flushed.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(flushed)


def _arrival(message: Msg) -> Arrival:
    return Arrival(message.subject, message.reply, read(message.headers or {}), message.data)


class _translated:  # noqa: N801  # reads as a phrase: with _translated(): ...
    """Turns the client's errors into ours."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case MaxPayloadError():
                raise MalformedError("message_too_large") from error
            case NoRespondersError():
                raise NotOnBusError("nobody_listens") from error
            case NoStreamResponseError():
                raise NotOnBusError("no_stream_keeps_the_subject") from error
            case APIError():
                raise refusal(error.code, error.err_code, error.description) from error
            case Error() | TimeoutError() | OSError():
                raise BusUnavailableError("bus_unavailable", detail=str(error) or type(error).__name__) from error


# Its errors come with the bus; what is defined above needs no list.
__all__ = ["BusRefusalError", "BusUnavailableError", "ConsumerGoneError", "NotOnBusError", "StreamFullError"]
