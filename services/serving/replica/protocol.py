"""The Open Inference Protocol V2: bodies to what was asked, answers to bodies. No I/O, and no signature yet:
which version answers can depend on a parameter in the body.

A body is JSON, or JSON with the bytes of some tensors behind it (the binary extension).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.bundle import DataType, ModelFormat, Signature, TensorSpec
from everloop.bundle.explaining import Attributions
from services.serving.replica.binary import encode
from services.serving.replica.columns import Tensor
from services.serving.replica.errors import RequestError, quoted
from services.serving.replica.question import Answer
from services.serving.replica.repeats import refuse_repeated

SCORE = "score"
PREDICTION_ID = "prediction_id"
PLATFORMS = {ModelFormat.ONNX: "onnx_onnxv1", ModelFormat.LIGHTGBM: "lightgbm"}
"""What the protocol's clients call the way a model file is read."""
OUTPUTS = (
    TensorSpec(name=SCORE, datatype=DataType.FP64),
    TensorSpec(name=PREDICTION_ID, datatype=DataType.BYTES),
)
ATTRIBUTIONS = "attributions"
"""What each feature added to the score, shape [rows, features]: only for who asks."""
EXTENSIONS = ("binary_tensor_data", "parameters")
LONGEST_TEXT = 256
"""Of an id or a routing key, in characters."""
BINARY_HEADER = "inference-header-content-length"
BINARY_SIZE_IN_LOG = 3
"""What a value of a binary tensor takes in the log's JSON, roughly, against its bytes here."""

_EVERY = tuple(spec.name for spec in OUTPUTS)
_NAMES = (*_EVERY, ATTRIBUTIONS)
_DECIDING = ("datatype", "shape", "data")
_NO_PARAMETERS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request as it came, its frame checked and its tensors not yet."""

    tensors: Sequence[Tensor]
    outputs: Sequence[tuple[str, bool]]
    """Names, and whether in binary form."""
    id: str | None
    routing_key: str | None
    size_bytes: int

    @property
    def explain(self) -> bool:
        """Whether attributions are among the outputs."""
        return any(name == ATTRIBUTIONS for name, _ in self.outputs)


def parse(body: bytes, json_length: str | None = None, *, explain: bool = False) -> InferRequest:
    """Read the frame of a request.

    Args:
        body: JSON, and behind it the binary tensors if there are any.
        json_length: What ``Inference-Header-Content-Length`` says, if it is there.
        explain: Attributions are asked for outside the body.

    Raises:
        RequestError: 400 with the first fault found.
    """
    size = len(body) if json_length is None else _json_size(json_length, len(body))
    head = body if size == len(body) else body[:size]
    try:
        content = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise RequestError(400, "the body is not a JSON object")
    tensors = _tensors(content.get("inputs"))
    refuse_repeated(head, {"inputs": 1, **dict.fromkeys(_DECIDING, len(tensors))})
    if json_length is not None:
        _place_binary(tensors, memoryview(body)[size:])
    return framed(content, tensors, size + BINARY_SIZE_IN_LOG * (len(body) - size), explain=explain)


def framed(
    content: Mapping[str, Any], tensors: Sequence[Tensor], size_bytes: int, *, explain: bool = False
) -> InferRequest:
    """Read the frame of a request that is plain values already, whatever they were decoded from.

    Args:
        content: ``id``, ``parameters`` and ``outputs``, as the protocol's JSON has them.
        tensors: Its inputs, with their data in place.
        size_bytes: What it takes in the log, roughly.
        explain: Attributions are asked for outside of it.

    Raises:
        RequestError: 400 with the first fault found.
    """
    parameters = _parameters(content, "the request")
    binary = flag(parameters, "binary_data_output")
    outputs = _outputs(content.get("outputs"), binary=binary)
    if explain or flag(parameters, "explain"):
        outputs.setdefault(ATTRIBUTIONS, binary)
    return InferRequest(
        tensors, tuple(outputs.items()), text(content, "id"), text(parameters, "routing_key"), size_bytes
    )


def render(
    request: InferRequest, answered: Answer, explained: Attributions | None = None, *, model: str
) -> tuple[bytes, int | None]:
    """Write the answer to a request, which chose outputs and id.

    Args:
        request: The request.
        answered: Its answer.
        explained: Attributions, if the request asked for them.
        model: Its name.

    Returns:
        The body, and the length of its JSON if binary tensors follow it.
    """
    outputs: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for name, binary in request.outputs:
        tensor, values = output_tensor(name, answered, explained)
        if binary:
            tail.append(encode(values, tensor["datatype"]))
            tensor.setdefault("parameters", {})["binary_data_size"] = len(tail[-1])
        else:
            tensor["data"] = values
        outputs.append(tensor)
    answer: dict[str, Any] = {"model_name": model, "model_version": str(answered.version)}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = outputs
    head = orjson.dumps(answer)
    return (b"".join((head, *tail)), len(head)) if tail else (head, None)


def model_metadata(
    model: str, versions: Sequence[int], signature: Signature, kind: ModelFormat = ModelFormat.ONNX
) -> dict[str, Any]:
    """Describe a model as ``GET /v2/models/{model}`` answers."""
    return {
        "name": model,
        "versions": [str(version) for version in versions],
        "platform": PLATFORMS[kind],
        "inputs": [_described(spec) for spec in signature.inputs],
        "outputs": [_described(spec) for spec in OUTPUTS],
    }


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """Take an optional short string out of what came."""
    given = fields.get(name)
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > LONGEST_TEXT:
        raise RequestError(400, f"{name} must be a string of at most {LONGEST_TEXT} characters")
    return given


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """Take an optional boolean out of what came."""
    given = fields.get(name, False)
    if not isinstance(given, bool):
        raise RequestError(400, f"the parameter {name} must be true or false")
    return given


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype.value, "shape": list(spec.shape)}


def _json_size(given: str, size: int) -> int:
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(size)) or not 0 < int(given) <= size:
        raise RequestError(400, f"Inference-Header-Content-Length is no length of JSON in a body of {size} bytes")
    return int(given)


def _tensors(inputs: object) -> list[dict[str, Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise RequestError(400, "inputs must be a list of at least one tensor")
    for tensor in inputs:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise RequestError(400, "an input is no object with a name")
    return inputs


def _place_binary(tensors: Sequence[dict[str, Any]], tail: memoryview) -> None:
    """Give each binary tensor its bytes: they follow one another in the order of the inputs."""
    place = 0
    for tensor in tensors:
        size = _parameters(tensor, f"input {tensor['name']!r}").get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or size < 0 or place + size > len(tail):
            left = len(tail) - place
            raise RequestError(
                400, f"input {tensor['name']!r} has the binary_data_size {quoted(size)}; {left} bytes are left"
            )
        if "data" in tensor:
            raise RequestError(400, f"input {tensor['name']!r} has both data and a binary_data_size")
        tensor["data"] = tail[place : place + size]
        place += size
    if place != len(tail):
        raise RequestError(400, f"{len(tail) - place} bytes behind the JSON belong to no input")


def _parameters(fields: Mapping[str, Any], whose: str) -> Mapping[str, Any]:
    given = fields.get("parameters")
    if given is None:
        return _NO_PARAMETERS
    if not isinstance(given, dict):
        raise RequestError(400, f"the parameters of {whose} must be an object")
    return given


def output_tensor(
    name: str, answered: Answer, explained: Attributions | None
) -> tuple[dict[str, Any], Sequence[float] | Sequence[str]]:
    """Describe one output, without its values, and give them row by row."""
    shape = [len(answered.scores)]
    if name == SCORE:
        return {"name": name, "datatype": "FP64", "shape": shape}, answered.scores
    if name == PREDICTION_ID:
        return {"name": name, "datatype": "BYTES", "shape": shape}, answered.prediction_ids
    assert explained is not None
    tensor = {
        "name": name,
        "datatype": "FP64",
        "shape": [*shape, len(explained.features)],
        "parameters": {
            "features": ",".join(explained.features),
            "base_value": explained.base_value,
            "unit": explained.unit.value,
            "method": explained.method.value,
        },
    }
    return tensor, explained.values.ravel().tolist()


def _outputs(chosen: object, *, binary: bool) -> dict[str, bool]:
    if chosen is None or chosen == []:
        return dict.fromkeys(_EVERY, binary)
    if not isinstance(chosen, list):
        raise RequestError(400, "outputs must be a list")
    forms: dict[str, bool] = {}
    for one in chosen:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or name not in _NAMES:
            raise RequestError(400, f"unknown output {quoted(name)}; the outputs are {', '.join(_NAMES)}")
        parameters = _parameters(one, f"output {name!r}")
        # Ignored, these would be answered with something else than was asked for.
        for extension in ("classification", "shared_memory_region"):
            if extension in parameters:
                raise RequestError(400, f"output {name!r} asks for {extension}, which is not offered")
        forms[name] = flag(parameters, "binary_data") if "binary_data" in parameters else binary
    return forms
