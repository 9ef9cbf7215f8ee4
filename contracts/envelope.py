"""The CloudEvents 1.0 envelope around every message, and how bare JSON is given one.

The wire form is structured JSON over NATS (https://github.com/cloudevents/spec, NATS binding): the whole
envelope is the body and the header ``Content-Type`` is ``application/cloudevents+json``.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from contracts.message import Message

CONTENT_TYPE = "application/cloudevents+json"
MAX_BODY_BYTES = 512 * 1024

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class UnreadableMessageError(ValueError):
    """The bytes on the bus are no message: not JSON, too large, of unknown type or against its schema."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail


class Envelope(BaseModel):
    """A CloudEvent. Extension attributes that are not ours are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: ShortText
    source: ShortText
    type: ShortText
    subject: ShortText | None = Field(default=None, description="The pipeline the message is about.")
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    traceparent: str | None = Field(default=None, max_length=128, description="W3C Trace Context.")
    tracestate: str | None = Field(default=None, max_length=512)
    correlationid: ShortText | None = Field(default=None, description="Id of the message that began the story.")
    causationid: ShortText | None = Field(default=None, description="Id of the message that led to this one.")
    data: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Encode for the wire, leaving out what is not set."""
        return self.model_dump_json(exclude_none=True).encode()


def seal(
    message: Message,
    *,
    message_id: str,
    source: str,
    time: datetime,
    cause: Envelope | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """Put a message into an envelope, keeping the story it belongs to."""
    return Envelope(
        id=message_id,
        source=f"/everloop/{source}",
        type=message.subject,
        subject=message.pipeline,
        time=time,
        traceparent=traceparent,
        correlationid=(cause.correlationid or cause.id) if cause else message_id,
        causationid=cause.id if cause else None,
        data=message.model_dump(mode="json", exclude_none=True),
    )


def read_envelope(
    body: bytes, *, subject: str, headers: Mapping[str, str], fallback_id: str, received_at: datetime
) -> Envelope:
    """Read an envelope from the wire, or put plain JSON into one.

    Args:
        body: What was published, at most ``MAX_BODY_BYTES``.
        subject: The full subject it was published on; type and pipeline of plain JSON are taken from it.
        headers: Message headers; ``Nats-Msg-Id`` is the id of plain JSON, ``traceparent`` its trace.
        fallback_id: Id of plain JSON published without ``Nats-Msg-Id``; the same at every redelivery.
        received_at: When the broker stored it; the time of plain JSON.

    Raises:
        UnreadableMessageError: The body is too large, not a JSON object, or a broken envelope.
    """
    if len(body) > MAX_BODY_BYTES:
        raise UnreadableMessageError("message_too_large", f"{len(body)} bytes; at most {MAX_BODY_BYTES} are read")
    try:
        content = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError("not_json", str(error)) from error
    if not isinstance(content, dict):
        raise UnreadableMessageError("not_an_object", f"the body is a JSON {type(content).__name__}, not an object")
    type_, _, pipeline = subject.rpartition(".")
    if "specversion" in content or _says_cloudevent(headers):
        try:
            envelope = Envelope.model_validate(content)
        except ValidationError as error:
            raise UnreadableMessageError("broken_envelope", describe(error)) from error
        if envelope.type != type_:
            raise UnreadableMessageError("wrong_type", f"type {envelope.type!r} was published on {subject!r}")
        if envelope.subject not in (None, pipeline):
            raise UnreadableMessageError("wrong_pipeline", f"subject {envelope.subject!r} was published on {subject!r}")
        return envelope.model_copy(update={"subject": pipeline})
    message_id = headers.get("Nats-Msg-Id") or fallback_id
    return Envelope(
        id=message_id[:256],
        source="/everloop/plain-json",
        type=type_,
        subject=pipeline,
        time=received_at,
        correlationid=message_id[:256],
        traceparent=headers.get("traceparent"),
        data=content,
    )


def describe(error: ValidationError) -> str:
    """Say in one line what pydantic found wrong, field by field, without repeating the input."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults[:10])


def _says_cloudevent(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").lower().startswith("application/cloudevents")
