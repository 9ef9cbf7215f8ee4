"""The three kinds of error a service raises on purpose; the edge decides what they mean.

    EverloopError
    ├── RejectedError    a rule said no       on the bus: a fact, ack      over HTTP: 409 (422 with a field)
    ├── TransientError   not now              nak, with backoff            503
    └── MalformedError   never will           dead letter, term            400

Anything else is a bug: retried, then dead-lettered with its stack; over HTTP 500.
"""


class EverloopError(Exception):
    """An error with a slug that programs can match and fields that people can read."""

    def __init__(self, slug: str, **fields: object) -> None:
        super().__init__(slug)
        self.slug = slug
        self.fields = fields

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.slug.replace('_', ' ')}{f': {said}' if said else ''}"


class RejectedError(EverloopError):
    """A rule said no."""


class TransientError(EverloopError):
    """Not now; trying again later may work."""


class MalformedError(EverloopError):
    """Never will work, however often it is tried."""
