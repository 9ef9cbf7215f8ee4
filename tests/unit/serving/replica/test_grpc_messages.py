"""gRPC messages hold what NVIDIA's client put in, and it reads what we put out."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2
from tritonclient.grpc._utils import _get_inference_request

from contracts.bundle import DataType, Signature, TensorSpec
from services.serving.replica import inference_pb2 as pb
from services.serving.replica.errors import RequestError
from services.serving.replica.grpc_messages import metadata, read, write
from services.serving.replica.question import Answer, Question
from services.serving.replica.reading import Reader

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="x", datatype=DataType.FP64, nullable=True),
        TensorSpec(name="n", datatype=DataType.INT64),
        TensorSpec(name="on", datatype=DataType.BOOL),
        TensorSpec(name="who", datatype=DataType.BYTES),
    ),
    outputs=(TensorSpec(name="score", datatype=DataType.FP64),),
)
READER = Reader(SIGNATURE, event_time="at", max_rows=100)
ROW: dict[str, list[Any]] = {"x": [1.0], "n": [1], "on": [True], "who": ["a"]}
TYPES = {"x": np.float64, "n": np.int64, "on": np.bool_, "who": np.object_}
ROWS = st.integers(1, 8).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            "x": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=rows, max_size=rows),
            "n": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=rows, max_size=rows),
            "on": st.lists(st.booleans(), min_size=rows, max_size=rows),
            # A text with a NUL at its end is cut by numpy, on the client's side.
            "who": st.lists(
                st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=rows, max_size=rows
            ),
        }
    )
)


def asked(columns: dict[str, list[Any]], **more: Any) -> pb.ModelInferRequest:
    """Have the client write a request, and read it from the wire."""
    datatypes = {spec.name: spec.datatype.value for spec in SIGNATURE.inputs}
    inputs = []
    for name, values in columns.items():
        tensor = triton.InferInput(name, [len(values)], datatypes[name])
        tensor.set_data_from_numpy(np.array(values, TYPES[name]))
        inputs.append(tensor)
    options = {
        "model_name": "flights",
        "inputs": inputs,
        "model_version": "",
        "request_id": "",
        "outputs": None,
        "sequence_id": 0,
        "sequence_start": False,
        "sequence_end": False,
        "priority": 0,
        "timeout": None,
        "parameters": None,
    }
    request = _get_inference_request(**(options | more))
    return pb.ModelInferRequest.FromString(request.SerializeToString())


def typed(columns: dict[str, list[Any]]) -> pb.ModelInferRequest:
    """Write a request with its values in the typed fields."""
    fields = {"x": "fp64_contents", "n": "int64_contents", "on": "bool_contents", "who": "bytes_contents"}
    message = pb.ModelInferRequest(model_name="flights")
    for spec in SIGNATURE.inputs:
        values = columns[spec.name]
        tensor = message.inputs.add(name=spec.name, datatype=spec.datatype.value, shape=[len(values)])
        plain = [value.encode() for value in values] if spec.name == "who" else values
        getattr(tensor.contents, fields[spec.name]).extend(plain)
    return pb.ModelInferRequest.FromString(message.SerializeToString())


def question(message: pb.ModelInferRequest) -> Question:
    """Read a request against the signature."""
    read_ = read(message, size_bytes=message.ByteSize())
    return READER.of_tensors(read_.tensors, read_.size_bytes)


@given(ROWS)
def test_columns_come_as_the_client_packed_them(columns: dict[str, list[Any]]) -> None:
    assert question(asked(columns)).columns == columns


@given(ROWS)
def test_typed_values_and_packed_ones_are_the_same_question(columns: dict[str, list[Any]]) -> None:
    assert question(typed(columns)).columns == question(asked(columns)).columns


def test_nan_is_null_where_null_may_be() -> None:
    columns: dict[str, list[Any]] = {"x": [math.nan], "n": [1], "on": [True], "who": ["a"]}

    assert question(asked(columns)).columns["x"] == [None]
    assert question(typed(columns)).columns["x"] == [None]


SCORES = st.lists(st.floats(allow_nan=False), min_size=1, max_size=8)


@given(SCORES, st.sampled_from([["score", "prediction_id"], ["prediction_id"], ["score"]]))
def test_client_reads_the_answer(scores: list[float], outputs: list[str]) -> None:
    chosen = [triton.InferRequestedOutput(name) for name in outputs]
    message = answer(scores, asked(ROW, request_id="q", outputs=chosen), raw=True)

    result = triton.InferResult(service_pb2.ModelInferResponse.FromString(message.SerializeToString()))

    told = result.get_response()
    assert (told.model_name, told.model_version, told.id) == ("flights", "7", "q")
    assert [output.name for output in told.outputs] == outputs
    assert told.parameters["prediction_id"].string_param == ids(scores)[0]
    if "score" in outputs:
        assert result.as_numpy("score").tolist() == scores
    if "prediction_id" in outputs:
        assert [one.decode() for one in result.as_numpy("prediction_id")] == ids(scores)


@given(SCORES)
def test_answer_to_typed_values_is_typed(scores: list[float]) -> None:
    message = answer(scores, typed(ROW), raw=False)

    score, prediction_id = message.outputs
    assert not message.raw_output_contents
    assert list(score.contents.fp64_contents) == scores
    assert [one.decode() for one in prediction_id.contents.bytes_contents] == ids(scores)


def ids(scores: list[float]) -> list[str]:
    """Name predictions."""
    return [f"id-{row}" for row in range(len(scores))]


def answer(scores: list[float], request: pb.ModelInferRequest, *, raw: bool) -> pb.ModelInferResponse:
    """Answer a request."""
    answered = Answer(7, scores, ids(scores), datetime(2013, 1, 1, tzinfo=UTC))
    return write(read(request, size_bytes=1), answered, None, model="flights", raw=raw)


def test_parameters_and_routing_key_are_read() -> None:
    request = read(asked(ROW, parameters={"routing_key": "k", "explain": True}), size_bytes=1)

    assert request.routing_key == "k"
    assert request.explain


def _values_in_another_field(message: pb.ModelInferRequest) -> None:
    message.inputs[0].contents.ClearField("fp64_contents")
    message.inputs[0].contents.fp32_contents.append(1.0)


def _two_fields(message: pb.ModelInferRequest) -> None:
    message.inputs[0].contents.int64_contents.append(1)


def _another_datatype(message: pb.ModelInferRequest) -> None:
    message.inputs[0].datatype = "FP32"


def _too_few(message: pb.ModelInferRequest) -> None:
    message.inputs[1].contents.ClearField("int64_contents")


def _another_shape(message: pb.ModelInferRequest) -> None:
    message.inputs[1].shape[0] = 2


def _twice(message: pb.ModelInferRequest) -> None:
    message.inputs.add().CopyFrom(message.inputs[0])


def _left_out(message: pb.ModelInferRequest) -> None:
    del message.inputs[3]


def _nothing(message: pb.ModelInferRequest) -> None:
    message.ClearField("inputs")


def _both_forms(message: pb.ModelInferRequest) -> None:
    message.raw_input_contents.extend([b""] * 4)


def _too_few_packed(message: pb.ModelInferRequest) -> None:
    message.raw_input_contents.append(b"")


def _no_text(message: pb.ModelInferRequest) -> None:
    message.inputs[3].contents.bytes_contents[0] = b"\xff"


def _unknown_output(message: pb.ModelInferRequest) -> None:
    message.outputs.add(name="nothing")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_values_in_another_field, "input 'x' is FP64 and has 1 values in fp32_contents"),
        (_two_fields, "input 'x' is FP64 and has 1 values in int64_contents"),
        (_another_datatype, "input 'x' is FP64, not 'FP32'; tensors are never cast"),
        (_too_few, "input 'n' has 0 values for the shape [1]"),
        (_another_shape, "input 'n' has the shape [2], expected [1] or [1, 1]"),
        (_twice, "input 'x' is there twice"),
        (_left_out, "inputs are missing: who"),
        (_nothing, "inputs must be a list of at least one tensor"),
        (_both_forms, "input 'x' has contents, and the request has raw_input_contents"),
        (_too_few_packed, "raw_input_contents has 1 entries for 4 inputs"),
        (_no_text, "input 'who' holds a string that is not UTF-8"),
        (_unknown_output, "unknown output 'nothing'"),
    ],
)
def test_faults_are_named(spoil: Any, fault: str) -> None:
    message = typed(ROW)
    spoil(message)

    with pytest.raises(RequestError) as refused:
        question(message)

    assert refused.value.status == 400
    assert str(refused.value).startswith(fault)


def test_signature_is_described() -> None:
    described = metadata("flights", (1, 2), SIGNATURE)

    assert (described.name, list(described.versions)) == ("flights", ["1", "2"])
    assert next((one.name, one.datatype, list(one.shape)) for one in described.inputs) == ("x", "FP64", [-1])
    assert [one.name for one in described.outputs] == ["score", "prediction_id"]


def test_messages_are_the_public_protocols() -> None:
    theirs = service_pb2.DESCRIPTOR
    for name, ours in pb.DESCRIPTOR.message_types_by_name.items():
        assert numbers(ours).items() <= numbers(theirs.message_types_by_name[name]).items(), name
    service = theirs.services_by_name["GRPCInferenceService"]
    for method in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
        assert method.full_name == service.methods_by_name[method.name].full_name


def numbers(message: Any) -> dict[str, tuple[Any, ...]]:
    """List a message's fields, and those of the messages in it: number, type, whether it repeats."""
    fields = {one.name: (one.number, one.type, one.is_repeated) for one in message.fields}
    for inner in message.nested_types:
        fields |= {f"{inner.name}.{name}": field for name, field in numbers(inner).items()}
    return fields
