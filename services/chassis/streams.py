"""Streams and consumers as the contracts say, compared with the broker's explicitly at every start.

The client's own helpers create what is missing and silently keep what differs; here each difference is logged
and applied, and what the broker echoes is checked, since an older one ignores fields it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contracts.streams import STREAMS, Retention, StreamDefinition
from services.chassis.bus import Bus, BusRefusalError, NotOnBusError
from services.chassis.errors import EverloopError
from services.chassis.logs import Log

DEDUPLICATION = timedelta(minutes=10)
MAX_MESSAGE_BYTES = 1024 * 1024

log = Log(__name__)


class ConfigurationIgnoredError(EverloopError):
    """The broker took a configuration and answers with another."""


@dataclass(frozen=True, slots=True)
class ConsumerDefinition:
    """One durable consumer. It starts at the beginning of its stream.

    Attributes:
        stream: Where it reads.
        name: Its own.
        subjects: Which messages.
        ack_wait: How long after its last sign of life a message is delivered again.
        max_deliveries: How often it is delivered at most; -1 without end.
        description: For people.
        in_flight: Handed over and not settled, at most. One at a time is what keeps the order: a message that is
            retried holds back those behind it.
        pinned: Only one client at a time gets messages; another takes over when it has not asked for ``ack_wait``.
    """

    stream: str
    name: str
    subjects: tuple[str, ...]
    ack_wait: timedelta
    max_deliveries: int
    description: str = ""
    in_flight: int = 1
    pinned: bool = False

    @property
    def group(self) -> str:
        """Name of the group that clients of a pinned consumer ask in."""
        return "one" if self.pinned else ""


def max_age_of(stream: str) -> timedelta:
    """Say how long a stream keeps messages, and so how long one may still be delivered."""
    return next(definition.max_age for definition in STREAMS if definition.name == stream)


def stream_config(definition: StreamDefinition, *, replicas: int = 1) -> dict[str, Any]:
    """Write a stream's configuration in the broker's words."""
    return {
        "name": definition.name,
        # Only a stream without copies can be written behind; one with copies is quick enough.
        "persist_mode": "async" if definition.written_behind and replicas == 1 else None,
        "subjects": list(definition.subjects),
        "retention": "workqueue" if definition.retention is Retention.WORK_QUEUE else "limits",
        "discard": "new" if definition.refuse_when_full else "old",
        "storage": "file",
        "max_age": _nanoseconds(definition.max_age),
        "max_bytes": definition.max_bytes,
        "max_msg_size": MAX_MESSAGE_BYTES,
        "num_replicas": replicas,
        "duplicate_window": _nanoseconds(min(DEDUPLICATION, definition.max_age)),
        "allow_direct": True,
        "allow_atomic": definition.in_batches,
    }


def consumer_config(definition: ConsumerDefinition) -> dict[str, Any]:
    """Write a consumer's configuration in the broker's words."""
    return {
        "durable_name": definition.name,
        "name": definition.name,
        "description": definition.description,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _nanoseconds(definition.ack_wait),
        "max_deliver": definition.max_deliveries,
        "max_ack_pending": definition.in_flight,
        "replay_policy": "instant",
        "filter_subjects": list(definition.subjects),
        "priority_groups": [definition.group] if definition.pinned else None,
        "priority_policy": "pinned_client" if definition.pinned else None,
        "priority_timeout": _nanoseconds(definition.ack_wait) if definition.pinned else None,
    }


def difference(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compare configurations: field to (actual, wanted), where they differ. What is not wanted is not looked at."""
    return {
        name: (actual.get(name), value)
        for name, value in wanted.items()
        if (actual.get(name) or None) != (value or None)
    }


async def reconcile_streams(bus: Bus, *, replicas: int = 1) -> None:
    """Make every stream what the contracts say.

    Raises:
        BusRefusalError: The broker refuses, for instance to change how a stream is stored.
        ConfigurationIgnoredError: The broker does not do what it was told.
    """
    for definition in STREAMS:
        await reconcile_stream(bus, stream_config(definition, replicas=replicas))


async def reconcile_stream(bus: Bus, wanted: Mapping[str, Any]) -> None:
    """Make one stream what it should be, creating it if need be."""
    name = wanted["name"]
    try:
        actual = (await bus.ask(f"STREAM.INFO.{name}"))["config"]
    except NotOnBusError:
        log.info("stream created", stream=name)
        answer = await bus.ask(f"STREAM.CREATE.{name}", **_said(wanted))
    else:
        changes = difference(actual, wanted)
        if not changes:
            return
        log.info("stream changed", stream=name, changes=changes)
        answer = await bus.ask(f"STREAM.UPDATE.{name}", **_said({**actual, **wanted}))
    _assert_echo(f"stream {name}", answer["config"], wanted)


async def reconcile_consumer(bus: Bus, definition: ConsumerDefinition) -> None:
    """Make one consumer what it should be, creating it if need be."""
    wanted = consumer_config(definition)
    place = f"{definition.stream}.{definition.name}"
    try:
        actual = (await bus.ask(f"CONSUMER.INFO.{place}"))["config"]
    except NotOnBusError:
        log.info("consumer created", consumer=definition.name, stream=definition.stream)
    else:
        changes = difference(actual, wanted)
        if not changes:
            return
        log.info("consumer changed", consumer=definition.name, stream=definition.stream, changes=changes)
    answer = await bus.ask(f"CONSUMER.CREATE.{place}", stream_name=definition.stream, config=_said(wanted))
    _assert_echo(f"consumer {definition.name}", answer["config"], wanted)


async def unheard_consumers(bus: Bus, service: str, heard: set[str]) -> list[str]:
    """Find consumers that an earlier release of a service left behind; a person may delete them."""
    left: list[str] = []
    for stream in STREAMS:
        names = (await bus.ask(f"CONSUMER.NAMES.{stream.name}")).get("consumers") or []
        left += [name for name in names if name.startswith(f"{service}__") and name not in heard]
    return left


def _assert_echo(what: str, echoed: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if ignored := difference(echoed, wanted):
        raise ConfigurationIgnoredError("configuration_ignored", what=what, ignored=ignored)


def _said(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}


def _nanoseconds(duration: timedelta) -> int:
    return int(duration / timedelta(microseconds=1)) * 1000


__all__ = [
    "BusRefusalError",
    "ConfigurationIgnoredError",
    "ConsumerDefinition",
    "reconcile_consumer",
    "reconcile_stream",
    "reconcile_streams",
    "unheard_consumers",
]
