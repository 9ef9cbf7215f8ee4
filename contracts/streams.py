"""The streams that keep messages, split by how long they are kept, and who fills them."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from contracts.catalog import MESSAGES
from contracts.message import Command, Event, Message
from contracts.model import Contract
from contracts.serving import PredictionsServed


class Retention(StrEnum):
    """When a stream lets go of a message: at its limits, or once it was handled."""

    LIMITS = "limits"
    WORK_QUEUE = "work_queue"


class StreamDefinition(Contract):
    """One stream and its bounds."""

    name: str
    subjects: tuple[str, ...]
    retention: Retention = Retention.LIMITS
    max_age: timedelta
    max_bytes: int
    refuse_when_full: bool = False
    written_behind: bool = Field(default=False, description="Acknowledged before it is on disk: fast, not certain.")


MIB = 1024 * 1024
PREDICTIONS_SUBJECT = f"{PredictionsServed.subject}.>"


def _event_subjects() -> tuple[str, ...]:
    """Every noun that events are said about, predictions aside: they have a stream of their own."""
    nouns = {
        ".".join(message.subject.split(".")[:3])
        for message in MESSAGES
        if issubclass(message, Event) and message is not PredictionsServed
    }
    return tuple(sorted(f"{noun}.>" for noun in nouns))


def _command_subjects() -> tuple[str, ...]:
    """Every owner's commands, unknown ones too, so that a misspelt command can be told from a lost one."""
    return tuple(sorted({f"commands.{message.owner()}.>" for message in MESSAGES if issubclass(message, Command)}))


EVENTS = StreamDefinition(
    name="EVENTS", subjects=_event_subjects(), max_age=timedelta(days=365 * 5), max_bytes=4096 * MIB
)
COMMANDS = StreamDefinition(
    name="COMMANDS",
    subjects=_command_subjects(),
    retention=Retention.WORK_QUEUE,
    max_age=timedelta(days=30),
    max_bytes=512 * MIB,
    refuse_when_full=True,
)
PREDICTIONS = StreamDefinition(
    name="PREDICTIONS",
    subjects=(PREDICTIONS_SUBJECT,),
    max_age=timedelta(days=7),
    max_bytes=2048 * MIB,
    written_behind=True,
)
DEAD_LETTERS = StreamDefinition(
    name="DEAD_LETTERS", subjects=("dead.>",), max_age=timedelta(days=365), max_bytes=512 * MIB
)
ADVISORIES = StreamDefinition(
    name="ADVISORIES",
    subjects=("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"),
    max_age=timedelta(days=30),
    max_bytes=64 * MIB,
)
STREAMS = (EVENTS, COMMANDS, PREDICTIONS, DEAD_LETTERS, ADVISORIES)


def stream_of(message: type[Message]) -> StreamDefinition:
    """Name the stream that keeps a message."""
    if issubclass(message, Command):
        return COMMANDS
    return PREDICTIONS if message is PredictionsServed else EVENTS
