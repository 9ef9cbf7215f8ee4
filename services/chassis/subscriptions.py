"""What a service hears: a table of messages and the functions that handle them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from inspect import signature
from typing import Any, get_type_hints

from contracts.message import Message

Handler = Callable[..., Awaitable[list[Message]]]


@dataclass(frozen=True, slots=True)
class Cause:
    """The message being handled, for handlers that record who caused what. Asked for by annotation."""

    message_id: str
    correlation_id: str
    said_at: datetime
    received_at: datetime
    traceparent: str | None = None
    replayed: bool = False
    """It was a dead letter: what was said after it may have been handled long ago."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One message and its handler.

    The handler takes the message first; each further parameter is annotated with a port (or ``Cause``) and
    supplied by the chassis. What it returns is published once its writes have committed.
    """

    message: type[Message]
    handler: Handler

    @property
    def ports(self) -> dict[str, type[Any]]:
        """Parameters after the message: name to the annotated port."""
        hints = get_type_hints(self.handler)
        return {name: hints[name] for name in list(signature(self.handler).parameters)[1:]}
