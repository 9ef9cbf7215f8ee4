"""The streams that keep messages, split by how long they are kept, and who fills them."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from contracts.catalog import MESSAGES
from contracts.inference import InferenceCompleted, InferenceFailed, RequestInference
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
    in_batches: bool = Field(default=False, description="Takes several messages at once, all or none.")


MIB = 1024 * 1024
PREDICTIONS_SUBJECT = f"{PredictionsServed.subject}.>"


REQUESTS = "inference"
"""Replicas answer requests on ``inference.<model>``; no stream keeps them."""
ROWS_SUBJECT = "rows"
SCORES_SUBJECT = "scores"
"""The row of ``rows.<pipeline>.<key>`` is answered on ``scores.<pipeline>.<key>``."""

_TRACKED_BY = ("contracts.tracking", "contracts.logged_models")
_TRACKING = tuple(message for message in MESSAGES if message.__module__ in _TRACKED_BY)
_APART: tuple[type[Message], ...] = (
    PredictionsServed,
    RequestInference,
    InferenceCompleted,
    InferenceFailed,
    *_TRACKING,
)
"""Messages as many as requests are; they have streams of their own."""


def _event_subjects() -> tuple[str, ...]:
    """Every noun that events are said about."""
    events = [message for message in MESSAGES if issubclass(message, Event) and message not in _APART]
    return _nouns(events)


def _command_subjects() -> tuple[str, ...]:
    """Every owner's commands, unknown ones too, so that a misspelt command can be told from a lost one.

    Of an owner with commands apart only the other nouns: streams must not overlap.
    """
    apart = {message.owner() for message in _APART if issubclass(message, Command)}
    commands = [message for message in MESSAGES if issubclass(message, Command) and message not in _APART]
    return tuple(
        sorted({f"{_noun(each)}.>" if each.owner() in apart else f"commands.{each.owner()}.>" for each in commands})
    )


def _nouns(messages: Iterable[type[Message]]) -> tuple[str, ...]:
    return tuple(sorted({f"{_noun(each)}.>" for each in messages}))


def _noun(message: type[Message]) -> str:
    return ".".join(message.subject.split(".")[:3])


EVENTS = StreamDefinition(
    name="EVENTS", subjects=_event_subjects(), max_age=timedelta(days=365 * 5), max_bytes=4096 * MIB, in_batches=True
)
TRACKING = StreamDefinition(
    name="TRACKING", subjects=_nouns(_TRACKING), max_age=timedelta(days=365 * 5), max_bytes=8192 * MIB, in_batches=True
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
INFERENCE = StreamDefinition(
    name="INFERENCE",
    subjects=(f"{RequestInference.subject}.>",),
    retention=Retention.WORK_QUEUE,
    max_age=timedelta(days=7),
    max_bytes=1024 * MIB,
    refuse_when_full=True,
)
INFERENCE_RESULTS = StreamDefinition(
    name="INFERENCE_RESULTS",
    subjects=(f"{InferenceCompleted.subject}.>", f"{InferenceFailed.subject}.>"),
    max_age=timedelta(days=7),
    max_bytes=1024 * MIB,
)
ROWS = StreamDefinition(
    name="ROWS",
    subjects=(f"{ROWS_SUBJECT}.>",),
    retention=Retention.WORK_QUEUE,
    max_age=timedelta(days=7),
    max_bytes=1024 * MIB,
    refuse_when_full=True,
)
SCORES = StreamDefinition(
    name="SCORES", subjects=(f"{SCORES_SUBJECT}.>",), max_age=timedelta(days=7), max_bytes=1024 * MIB
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
# COMMANDS once kept all of serving's; it must let go of those before INFERENCE takes them.
STREAMS = (
    EVENTS,
    COMMANDS,
    TRACKING,
    PREDICTIONS,
    INFERENCE,
    INFERENCE_RESULTS,
    ROWS,
    SCORES,
    DEAD_LETTERS,
    ADVISORIES,
)


def stream_of(message: type[Message]) -> StreamDefinition:
    """Name the stream that keeps a message."""
    if message in (InferenceCompleted, InferenceFailed):
        return INFERENCE_RESULTS
    if issubclass(message, Command):
        return INFERENCE if message is RequestInference else COMMANDS
    if message in _TRACKING:
        return TRACKING
    return PREDICTIONS if message is PredictionsServed else EVENTS
