"""The vocabulary as documents for others: JSON Schema of each message, and an AsyncAPI 3.0 description."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.catalog import MESSAGES
from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES, Envelope
from contracts.message import Command, Message
from contracts.model import PipelineName
from contracts.streams import stream_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Document = dict[str, Any]


def schema_of(message: type[Message]) -> Document:
    """Write a message's JSON Schema, as it is published beside the others."""
    return {"$schema": DIALECT, "$id": f"{message.subject}.json", **message.model_json_schema()}


def asyncapi(version: str) -> Document:
    """Describe every channel, message and operation from the platform's own side: it sends events, receives commands.

    Args:
        version: Of the platform.
    """
    names, schemas = _shared_schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Everloop",
            "version": version,
            "description": (
                "Facts that the platform says and commands that it obeys, over NATS JetStream. Every message is a "
                "CloudEvent 1.0 in structured JSON. A command may also be published as plain JSON without "
                "envelope: its type and pipeline are then taken from the subject, its id from the header "
                f"`Nats-Msg-Id` or from its place in the stream. At most {MAX_BODY_BYTES} bytes are read."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "embedded": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "The server that `everloop up` starts; its port may be another.",
            }
        },
        "channels": {message.__name__: _channel(message) for message in MESSAGES},
        "operations": {_operation_name(message): _operation(message) for message in MESSAGES},
        "components": {
            "messages": {name: body for message in MESSAGES for name, body in _messages(message, names).items()},
            "schemas": schemas,
        },
    }


def _shared_schemas() -> tuple[Mapping[type[Message], str], Document]:
    """Write all schemas side by side, and say under which name each message's stands."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Envelope, "validation")]
    models += [(message, "validation") for message in MESSAGES]
    keyed, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    names = {message: keyed[(message, "validation")]["$ref"].rpartition("/")[2] for message in MESSAGES}
    schemas = {name: _without_discriminators(schema) for name, schema in sorted(definitions["$defs"].items())}
    return names, schemas


def _without_discriminators(schema: Any) -> Any:
    """Leave out what OpenAPI writes differently from AsyncAPI; each alternative's constant says the same."""
    if isinstance(schema, list):
        return [_without_discriminators(part) for part in schema]
    if isinstance(schema, dict):
        return {key: _without_discriminators(part) for key, part in schema.items() if key != "discriminator"}
    return schema


def _channel(message: type[Message]) -> Document:
    said = {message.__name__: {"$ref": f"#/components/messages/{message.__name__}"}}
    if issubclass(message, Command):
        plain = f"{message.__name__}Plain"
        said[plain] = {"$ref": f"#/components/messages/{plain}"}
    pattern = TypeAdapter(PipelineName).json_schema()
    return {
        "address": f"{message.subject}.{{pipeline}}",
        "title": message.__name__,
        "description": _summary(message),
        "messages": said,
        "parameters": {"pipeline": {"description": f"{pattern['description']} Pattern: {pattern['pattern']}"}},
        "tags": [{"name": f"stream:{stream_of(message).name}"}, {"name": f"owner:{message.owner()}"}],
    }


def _operation_name(message: type[Message]) -> str:
    return f"{'receive' if issubclass(message, Command) else 'send'}{message.__name__}"


def _operation(message: type[Message]) -> Document:
    return {
        "action": "receive" if issubclass(message, Command) else "send",
        "channel": {"$ref": f"#/channels/{message.__name__}"},
        "summary": _summary(message),
    }


def _messages(message: type[Message], names: Mapping[type[Message], str]) -> dict[str, Document]:
    data = {"$ref": f"#/components/schemas/{names[message]}"}
    envelope = {
        "allOf": [{"$ref": "#/components/schemas/Envelope"}],
        "properties": {"type": {"const": message.subject}, "data": data},
    }
    about = {"title": message.__name__, "summary": _summary(message)}
    described = {message.__name__: {"name": message.subject, **about, "contentType": CONTENT_TYPE, "payload": envelope}}
    if issubclass(message, Command):
        # The subject already names the pipeline, so plain JSON may leave it out.
        plain = {**message.model_json_schema(ref_template="#/components/schemas/{model}")}
        plain.pop("$defs", None)
        required = [name for name in plain.pop("required") if name != "pipeline"]
        payload = _without_discriminators(plain | ({"required": required} if required else {}))
        described[f"{message.__name__}Plain"] = {
            "name": f"{message.subject} (plain)",
            **about,
            "contentType": "application/json",
            "payload": payload,
        }
    return described


def _summary(message: type[Message]) -> str:
    return (message.__doc__ or "").strip().partition("\n")[0]
