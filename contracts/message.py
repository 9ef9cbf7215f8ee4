"""Messages: immutable facts (events) and wishes (commands), each with its subject written out."""

from datetime import UTC, datetime
from typing import ClassVar

from contracts.model import Contract, PipelineName


class Message(Contract):
    """Something said on the bus. The pipeline's name follows the subject as its last token."""

    subject: ClassVar[str]

    pipeline: PipelineName

    @classmethod
    def owner(cls) -> str:
        """Name the service that says this event or obeys this command."""
        return cls.subject.split(".")[1]

    def address(self) -> str:
        """Write the full subject this message is published on."""
        return f"{self.subject}.{self.pipeline}"


class Event(Message):
    """A fact: something that has happened. Readers ignore fields they do not know."""


class Command(Message):
    """A wish, obeyed by one service. Unknown fields are refused: a typo must not be ignored."""


def utc_now() -> datetime:
    """Read the wall clock, aware and in UTC."""
    return datetime.now(UTC)
