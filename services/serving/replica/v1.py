"""Predictions for people: rows as JSON objects in, one object per row out. The same reader, the same answer as V2."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from everloop.bundle.explaining import Attributions
from services.serving.replica.answering import Answering
from services.serving.replica.errors import RequestError
from services.serving.replica.explaining import attributions
from services.serving.replica.protocol import flag, text
from services.serving.replica.question import Answer
from services.serving.replica.repeats import refuse_repeated
from services.serving.replica.v2 import JSON, ROUTING_KEY_HEADER, Reply, provenance

WRAPPER = ("rows", "routing_key", "explain")
_NOTHING: Mapping[str, Any] = {}

Rows = Sequence[Mapping[str, Any]]


async def predict(
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
        body: ``{"rows": [{column: value}, ...]}``, a bare list of rows, or one bare row.
        headers: What came with it, names in lower case: trace context, routing key.
        version: The number the caller asked for; unset: whichever answers.
        request_id: Decides the prediction ids, for a request that can come twice.
        explain: Say what each feature added to each score; the body can ask for it too.

    Raises:
        RequestError: It can't be answered.
    """
    rows, options = _parse(body)
    chosen = answering.choose(version, routing_key=headers.get(ROUTING_KEY_HEADER) or text(options, "routing_key"))
    refuse_repeated(body, dict.fromkeys((spec.name for spec in chosen.signature.inputs), len(rows)))
    question = answering.read(chosen, lambda reader: reader.of_rows(rows, len(body)))
    explained = await attributions(chosen.explain, question) if explain or flag(options, "explain") else None
    answered = await answering.answer(chosen, question, traceparent=headers.get("traceparent"), request_id=request_id)
    content = _render(answered, explained, model=answering.model)
    return Reply(content, {"content-type": JSON, **provenance(answered)})


def _parse(body: bytes) -> tuple[Rows, Mapping[str, Any]]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from error
    options = _NOTHING
    if isinstance(content, dict):
        if isinstance(content.get("rows"), list):
            options, content = content, content["rows"]
            if unknown := options.keys() - set(WRAPPER):
                raise RequestError(400, f"unknown beside the rows: {', '.join(sorted(unknown))}")
        else:
            content = [content]
    if not isinstance(content, list) or not content:
        raise RequestError(400, "the body is no row, list of rows, or object with rows")
    for place, row in enumerate(content):
        if not isinstance(row, dict):
            raise RequestError(400, f"row {place} is not an object")
    return content, options


def _render(answered: Answer, explained: Attributions | None, *, model: str) -> bytes:
    predictions: list[dict[str, Any]] = [
        {"prediction_id": prediction_id, "score": score}
        for prediction_id, score in zip(answered.prediction_ids, answered.scores, strict=True)
    ]
    answer: dict[str, Any] = {"model": model, "version": answered.version, "predictions": predictions}
    if explained is not None:
        for prediction, values in zip(predictions, explained.values.tolist(), strict=True):
            prediction["attributions"] = dict(zip(explained.features, values, strict=True))
        answer["explanation"] = {
            "method": explained.method.value,
            "unit": explained.unit.value,
            "base_value": explained.base_value,
        }
    return orjson.dumps(answer)
