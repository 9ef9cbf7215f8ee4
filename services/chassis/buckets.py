"""Buckets: the last value of each key, kept by the broker in NATS's own key-value layout.

``nats kv get <bucket> <key>`` reads what is written here. Built on streams and plain subscriptions rather than
on the client's watchers, which do not notice that a restarted broker has forgotten them: a change is a hint to
read, and who also reads now and then misses nothing.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from services.chassis.bus import MESSAGE_ID, Bus, BusUnavailableError, NotOnBusError
from services.chassis.bus_errors import OtherwiseError
from services.chassis.errors import TransientError

EXPECTED_BEFORE = "Nats-Expected-Last-Subject-Sequence"


@dataclass(frozen=True, slots=True)
class BucketDefinition:
    """One bucket. Values of a short-lived one are signs of life: kept in memory, gone when they are not renewed.

    Attributes:
        name: A subject token.
        max_age: How long a value is kept; unset: until it is replaced.
        max_bytes: Of all values; more are refused. Makes it a store: on disk, however short its values live.
        replicas: Copies in a cluster.
    """

    name: str
    max_age: timedelta | None = None
    max_bytes: int | None = None
    replicas: int = 1

    @property
    def stream(self) -> str:
        """Name of the stream behind it."""
        return f"KV_{self.name}"

    @property
    def changes(self) -> str:
        """Subject under which changed keys are told."""
        return f"everloop.bucket.{self.name}"

    def configuration(self) -> dict[str, object]:
        """Say it in the broker's words."""
        return {
            "name": self.stream,
            "subjects": [f"$KV.{self.name}.>"],
            "max_msgs_per_subject": 1,
            "max_age": int((self.max_age or timedelta()).total_seconds() * 1e9),
            "max_bytes": self.max_bytes or -1,
            "storage": "memory" if self.max_age and not self.max_bytes else "file",
            "discard": "new",
            "deny_delete": True,
            "allow_rollup_hdrs": True,
            "allow_direct": True,
            "num_replicas": self.replicas,
            # Said once the value is stored; a listener on the keys themselves could read before that.
            "republish": {"src": f"$KV.{self.name}.>", "dest": f"{self.changes}.>", "headers_only": True},
            "duplicate_window": int(
                min(timedelta(seconds=10), self.max_age or timedelta(days=1)).total_seconds() * 1e9
            ),
        }


class Bucket:
    """One bucket on the bus, made when it is first written to."""

    def __init__(self, bus: Bus, definition: BucketDefinition) -> None:
        self._bus = bus
        self._definition = definition
        self._made = False

    async def put(self, key: str, value: bytes) -> None:
        """Replace the value of a key.

        Args:
            key: Words separated by dots.
            value: At most what fits into one message.

        Raises:
            BusUnavailableError: No answer; the value may be stored or not.
        """
        await self._put(key, value, {})

    async def create(self, key: str, value: bytes) -> bool:
        """Give a key its value if it has none; tell whether that was so. Raises as `put` does."""
        try:
            await self._put(key, value, {EXPECTED_BEFORE: "0"})
        except OtherwiseError:
            return False
        return True

    async def _put(self, key: str, value: bytes, headers: Mapping[str, str]) -> None:
        if not self._made:
            await self._make()
        try:
            await self._bus.publish(self._subject(key), value, headers={MESSAGE_ID: uuid4().hex, **headers})
        except NotOnBusError as error:
            # One kept in memory is gone after a restart of the broker; putting again makes it.
            self._made = False
            raise BusUnavailableError("bus_unavailable", detail=f"bucket {self._definition.name} is gone") from error
        except TransientError:
            self._made = False
            raise

    async def get(self, key: str) -> bytes | None:
        """Read the value of a key; None if it has none.

        Raises:
            BusUnavailableError: No answer.
        """
        try:
            return (await self._bus.read(self._definition.stream, last_by_subj=self._subject(key))).body
        except NotOnBusError:
            return None

    async def items(self, prefix: str | None = None) -> Mapping[str, bytes]:
        """Read all values, or those of keys that go on after ``<prefix>.``.

        Raises:
            BusUnavailableError: No answer.
        """
        pattern = self._subject(f"{prefix}.>" if prefix else ">")
        found: dict[str, bytes] = {}
        sequence = 1
        while True:
            try:
                message = await self._bus.read(self._definition.stream, seq=sequence, next_by_subj=pattern)
            except NotOnBusError:
                return found
            found[message.subject.removeprefix(self._subject(""))] = message.body
            sequence = message.sequence + 1

    async def delete(self, key: str) -> None:
        """Forget a key, if the broker can be reached; a short-lived one goes by itself."""
        try:
            await self._bus.ask(f"STREAM.PURGE.{self._definition.stream}", filter=self._subject(key))
        except (NotOnBusError, TransientError):
            return

    def changes(self, key: str = ">") -> AbstractAsyncContextManager[asyncio.Queue[str]]:
        """Hear of changes as they happen, without any promise; read as well now and then."""
        return self._bus.listen(f"{self._definition.changes}.{key}")

    async def _make(self) -> None:
        try:
            await self._bus.ask(f"STREAM.INFO.{self._definition.stream}")
        except NotOnBusError:
            await self._bus.ask(f"STREAM.CREATE.{self._definition.stream}", **self._definition.configuration())
        self._made = True

    def _subject(self, key: str) -> str:
        return f"$KV.{self._definition.name}.{key}"
