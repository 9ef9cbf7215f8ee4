"""The log in memory: what a registry heard and said, as it lies in the streams."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.catalog import BY_TYPE, decode
from contracts.envelope import Envelope, seal
from contracts.message import Event, Message

SINCE = ("decided_at", "registered_at", "moved")
"""Fields that events of before did not have."""


@dataclass(frozen=True)
class Kept:
    """One message, read back from its bytes."""

    envelope: Envelope
    message: Message | None


class InMemoryLog:
    """Keeps the events that were heard and said, in order."""

    def __init__(self) -> None:
        self._kept: list[Envelope] = []

    def add(self, messages: Iterable[Message], at: datetime, *, source: str | None = None) -> None:
        for message in messages:
            if isinstance(message, Event):
                name = f"m-{len(self._kept)}"
                self._kept.append(seal(message, message_id=name, source=source or message.owner(), time=at))

    def older(self) -> "InMemoryLog":
        """Forget what events of before did not say."""
        log = InMemoryLog()
        log._kept = [each.model_copy(update={"data": _before(each)}) for each in self._kept]
        return log

    async def __aiter__(self) -> AsyncIterator[Kept]:
        for envelope in self._kept:
            read = Envelope.model_validate_json(envelope.to_bytes())
            yield Kept(read, decode(read))


def _before(envelope: Envelope) -> dict[str, Any]:
    fields = BY_TYPE[envelope.type].model_fields
    return {name: value for name, value in envelope.data.items() if name not in SINCE or fields[name].is_required()}
