"""The Open Inference Protocol V2: requests to columns, scores to answers, faults to errors. JSON only, no I/O.

Hand-written rather than a model class: validation runs per request, and a set of types per column costs a
hundredth of a schema's walk. Datatypes are compared, never cast: a silently cast tensor gives wrong numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from contracts.bundle import DataType, Signature, TensorSpec
from services.serving.replica.errors import RequestError
from services.serving.replica.question import Answer, Question

SCORE = "score"
PREDICTION_ID = "prediction_id"
OUTPUTS = (
    TensorSpec(name=SCORE, datatype=DataType.FP64),
    TensorSpec(name=PREDICTION_ID, datatype=DataType.BYTES),
)
LONGEST_ID = 256
BINARY_HEADER = "inference-header-content-length"
LARGEST_INT64 = 2**63 - 1

_NULL = type(None)
_TYPES: Mapping[DataType, frozenset[type]] = {
    DataType.BOOL: frozenset({bool}),
    DataType.INT64: frozenset({int}),
    # JSON does not tell 1 from 1.0; a JSON integer is a fine FP64.
    DataType.FP64: frozenset({float, int}),
    DataType.BYTES: frozenset({str}),
}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request whose tensors agree with the signature."""

    question: Question
    outputs: tuple[str, ...]
    id: str | None


class Reader:
    """Reads requests against one signature."""

    def __init__(self, signature: Signature, *, event_time: str | None, max_rows: int) -> None:
        """Prepare the look-up tables.

        Args:
            signature: What the model is asked with.
            event_time: Name of the optional tensor that says when each row happened; BYTES of ISO-8601
                times with a zone, or INT64 milliseconds since 1970.
            max_rows: Most rows of one request.
        """
        self._inputs = {spec.name: (spec, _allowed(spec)) for spec in signature.inputs}
        self._event_time = event_time
        self._max_rows = max_rows

    def read(self, body: bytes) -> InferRequest:
        """Read and check one request.

        Raises:
            RequestError: 400 with the first fault found, 413 if it has too many rows.
        """
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RequestError(400, f"the body is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise RequestError(400, "the body is not a JSON object")
        tensors = _tensors(content.get("inputs"))
        if missing := self._inputs.keys() - tensors.keys():
            raise RequestError(400, f"inputs are missing: {', '.join(sorted(missing))}")
        rows = _row_count(tensors)
        if rows > self._max_rows:
            raise RequestError(413, f"{rows} rows; at most {self._max_rows} are answered at once")
        columns: dict[str, Sequence[Any]] = {}
        event_times = None
        for name, tensor in tensors.items():
            if name in self._inputs:
                spec, allowed = self._inputs[name]
                columns[name] = _column(tensor, spec, allowed, rows)
            elif name == self._event_time:
                event_times = _event_times(tensor, name, rows)
            else:
                raise RequestError(400, f"unknown input {name!r}; the inputs are {', '.join(self._inputs)}")
        question = Question(rows, columns, event_times, len(body))
        return InferRequest(question, _outputs(content.get("outputs")), _id(content.get("id")))


def render(request: InferRequest, answered: Answer, *, model: str) -> bytes:
    """Write the answer to a request, which chose outputs and id."""
    shape = [request.question.rows]
    tensors = {
        SCORE: {"name": SCORE, "datatype": "FP64", "shape": shape, "data": answered.scores},
        PREDICTION_ID: {"name": PREDICTION_ID, "datatype": "BYTES", "shape": shape, "data": answered.prediction_ids},
    }
    answer: dict[str, Any] = {"model_name": model, "model_version": str(answered.version)}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = [tensors[name] for name in request.outputs]
    return orjson.dumps(answer)


def model_metadata(model: str, versions: Sequence[int], signature: Signature) -> dict[str, Any]:
    """Describe a model as ``GET /v2/models/{model}`` answers."""
    return {
        "name": model,
        "versions": [str(version) for version in versions],
        "platform": "onnx_onnxv1",
        "inputs": [_described(spec) for spec in signature.inputs],
        "outputs": [_described(spec) for spec in OUTPUTS],
    }


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype.value, "shape": list(spec.shape)}


def _allowed(spec: TensorSpec) -> frozenset[type]:
    types = _TYPES[spec.datatype]
    return types | {_NULL} if spec.nullable else types


def _tensors(inputs: object) -> dict[str, dict[str, Any]]:
    if not isinstance(inputs, list) or not inputs:
        raise RequestError(400, "inputs must be a list of at least one tensor")
    tensors: dict[str, dict[str, Any]] = {}
    for tensor in inputs:
        if not isinstance(tensor, dict) or not isinstance(name := tensor.get("name"), str):
            raise RequestError(400, "an input is no object with a name")
        if name in tensors:
            raise RequestError(400, f"input {name!r} is there twice")
        tensors[name] = tensor
    return tensors


def _row_count(tensors: Mapping[str, Mapping[str, Any]]) -> int:
    shape = next(iter(tensors.values())).get("shape")
    if not isinstance(shape, list) or not shape or type(shape[0]) is not int or shape[0] < 1:
        raise RequestError(400, "the first input's shape does not begin with its number of rows, 1 or more")
    return shape[0]


def _column(tensor: Mapping[str, Any], spec: TensorSpec, allowed: frozenset[type], rows: int) -> list[Any]:
    name = spec.name
    if tensor.get("datatype") != spec.datatype:
        given = tensor.get("datatype")
        raise RequestError(400, f"input {name!r} is {spec.datatype.value}, not {given!r}; tensors are never cast")
    values = _values(tensor, name, rows)
    if strangers := set(map(type, values)) - allowed:
        if strangers == {_NULL}:
            raise RequestError(400, f"input {name!r} holds null and is not nullable")
        # Of the protocol's types only these reach here: JSON's own, none of them the declared one.
        names = ", ".join(sorted(_JSON_NAMES.get(kind, kind.__name__) for kind in strangers))
        raise RequestError(400, f"input {name!r} is {spec.datatype.value} and holds JSON {names}")
    if spec.datatype is DataType.INT64 and any(
        value is not None and not -LARGEST_INT64 - 1 <= value <= LARGEST_INT64 for value in values
    ):
        raise RequestError(400, f"input {name!r} holds a number beyond INT64")
    return values


_JSON_NAMES: Mapping[type, str] = {
    bool: "booleans",
    int: "integers",
    float: "fractions",
    str: "strings",
    list: "lists",
    dict: "objects",
    _NULL: "null",
}


def _values(tensor: Mapping[str, Any], name: str, rows: int) -> list[Any]:
    if tensor.get("shape") != [rows]:
        raise RequestError(400, f"input {name!r} has the shape {tensor.get('shape')}, expected [{rows}]")
    values = tensor.get("data")
    if not isinstance(values, list):
        parameters = tensor.get("parameters")
        if isinstance(parameters, dict) and "binary_data_size" in parameters:
            raise RequestError(400, f"input {name!r} is binary; send its data as JSON")
        raise RequestError(400, f"input {name!r} has no list of data")
    if len(values) != rows:
        raise RequestError(400, f"input {name!r} has {len(values)} values for the shape [{rows}]")
    return values


def _event_times(tensor: Mapping[str, Any], name: str, rows: int) -> list[datetime]:
    values = _values(tensor, name, rows)
    datatype = tensor.get("datatype")
    read = _TIMES.get(datatype) if isinstance(datatype, str) else None
    if read is None:
        raise RequestError(400, f"input {name!r} is BYTES (ISO-8601) or INT64 (milliseconds), not {datatype!r}")
    try:
        return [read(value) for value in values]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise RequestError(400, f"input {name!r} holds no time with a zone: {error}") from error


def _from_iso(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no string")
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    return time.astimezone(UTC)


def _from_milliseconds(value: object) -> datetime:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no integer")
    return datetime.fromtimestamp(value / 1000, UTC)


_TIMES: Mapping[str, Callable[[object], datetime]] = {
    DataType.BYTES.value: _from_iso,
    DataType.INT64.value: _from_milliseconds,
}


def _outputs(chosen: object) -> tuple[str, ...]:
    every = (SCORE, PREDICTION_ID)
    if chosen is None or chosen == []:
        return every
    if not isinstance(chosen, list):
        raise RequestError(400, "outputs must be a list")
    names = [one.get("name") if isinstance(one, dict) else None for one in chosen]
    for name in names:
        if name not in every:
            raise RequestError(400, f"unknown output {name!r}; the outputs are {', '.join(every)}")
    return tuple(dict.fromkeys(str(name) for name in names))


def _id(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > LONGEST_ID:
        raise RequestError(400, f"id must be a string of at most {LONGEST_ID} characters")
    return given
