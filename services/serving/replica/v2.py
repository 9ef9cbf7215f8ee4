"""One inference of the Open Inference Protocol V2, from body to body, whatever carried it: HTTP or a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.serving.replica.answering import Answering
from services.serving.replica.explaining import attributions
from services.serving.replica.protocol import BINARY_HEADER, parse, render
from services.serving.replica.question import Answer

VERSION_HEADER = "everloop-model-version"
PREDICTION_ID_HEADER = "everloop-prediction-id"
"""Id of the first row's prediction; the others differ in the number of the row behind the last hyphen."""
ROUTING_KEY_HEADER = "everloop-routing-key"
"""Requests of one key are answered by one version while traffic is split between two."""
JSON = "application/json"
BINARY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer ready to be sent."""

    body: bytes
    headers: Mapping[str, str]


async def infer(
    answering: Answering,
    body: bytes,
    headers: Mapping[str, str],
    version: str | None = None,
    *,
    request_id: UUID | None = None,
    explain: bool = False,
) -> Reply:
    """Answer one request.

    Args:
        answering: The model.
        body: The protocol's, JSON or with binary tensors behind it.
        headers: What came with it, names in lower case: trace context, routing key, length of the JSON.
        version: The number the caller asked for; unset: whichever answers.
        request_id: Decides the prediction ids, for a request that can come twice.
        explain: Say what each feature added to each score; the body can ask for it too.

    Raises:
        RequestError: It can't be answered.
    """
    asked = parse(body, headers.get(BINARY_HEADER), explain=explain)
    chosen = answering.choose(version, routing_key=headers.get(ROUTING_KEY_HEADER) or asked.routing_key)
    question = answering.read(chosen, lambda reader: reader.of_tensors(asked.tensors, asked.size_bytes))
    explained = await attributions(chosen.explain, question) if asked.explain else None
    answered = await answering.answer(chosen, question, traceparent=headers.get("traceparent"), request_id=request_id)
    content, json_length = render(asked, answered, explained, model=answering.model)
    said = provenance(answered)
    if json_length is None:
        return Reply(content, {"content-type": JSON, **said})
    return Reply(content, {"content-type": BINARY, BINARY_HEADER: str(json_length), **said})


def provenance(answered: Answer) -> dict[str, str]:
    """Say in headers which version answered, and under which id."""
    return {VERSION_HEADER: str(answered.version), PREDICTION_ID_HEADER: answered.prediction_ids[0]}
