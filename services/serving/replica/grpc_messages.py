"""The Open Inference Protocol over gRPC: messages to what was asked, answers to messages. No I/O.

Tensors come in the typed fields of their inputs or, packed, as raw contents; an answer has the form of its question.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.bundle import DataType, ModelFormat, Signature
from everloop.bundle.explaining import Attributions
from services.serving.replica import inference_pb2 as pb
from services.serving.replica.binary import encode
from services.serving.replica.columns import Tensor
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import InferRequest, framed, model_metadata, output_tensor
from services.serving.replica.question import Answer

_FIELDS: Mapping[str, str] = {
    DataType.BOOL.value: "bool_contents",
    DataType.INT64.value: "int64_contents",
    DataType.FP64.value: "fp64_contents",
    DataType.BYTES.value: "bytes_contents",
}
"""Where typed values of a datatype are; of those that signatures use."""


def read(message: pb.ModelInferRequest, *, size_bytes: int) -> InferRequest:
    """Read a request, its tensors not yet checked against a signature.

    Args:
        message: The request.
        size_bytes: What it takes in the log, roughly.

    Raises:
        RequestError: 400 with the first fault found.
    """
    if not message.inputs:
        raise RequestError(400, "inputs must be a list of at least one tensor")
    content = {
        "id": message.id or None,
        "parameters": _plain(message.parameters),
        "outputs": [{"name": one.name, "parameters": _plain(one.parameters)} for one in message.outputs],
    }
    return framed(content, _packed(message) if message.raw_input_contents else _typed(message), size_bytes)


def write(
    asked: InferRequest, answered: Answer, explained: Attributions | None, *, model: str, raw: bool
) -> pb.ModelInferResponse:
    """Write the answer to a request, which chose outputs and id.

    Args:
        asked: The request.
        answered: Its answer.
        explained: Attributions, if the request asked for them.
        model: Its name.
        raw: Pack the tensors, as those of the request were.
    """
    message = pb.ModelInferResponse(model_name=model, model_version=str(answered.version), id=asked.id or "")
    # As in HTTP's header: whatever outputs were chosen, the answer can be found again.
    message.parameters["prediction_id"].string_param = answered.prediction_ids[0]
    for name, _ in asked.outputs:
        tensor, values = output_tensor(name, answered, explained)
        output = message.outputs.add(name=name, datatype=tensor["datatype"], shape=tensor["shape"])
        for parameter, value in tensor.get("parameters", {}).items():
            field = "double_param" if isinstance(value, float) else "string_param"
            setattr(output.parameters[parameter], field, value)
        if raw:
            message.raw_output_contents.append(encode(values, tensor["datatype"]))
        elif tensor["datatype"] == DataType.FP64:
            output.contents.fp64_contents.extend(map(float, values))
        else:
            output.contents.bytes_contents.extend(str(value).encode() for value in values)
    return message


def metadata(
    model: str, versions: Sequence[int], signature: Signature, kind: ModelFormat = ModelFormat.ONNX
) -> pb.ModelMetadataResponse:
    """Describe a model."""
    return pb.ModelMetadataResponse(**model_metadata(model, versions, signature, kind))


def _packed(message: pb.ModelInferRequest) -> list[Tensor]:
    if len(message.raw_input_contents) != len(message.inputs):
        have, need = len(message.raw_input_contents), len(message.inputs)
        raise RequestError(400, f"raw_input_contents has {have} entries for {need} inputs")
    tensors: list[Tensor] = []
    for tensor, raw in zip(message.inputs, message.raw_input_contents, strict=True):
        if tensor.HasField("contents"):
            raise RequestError(400, f"input {tensor.name!r} has contents, and the request has raw_input_contents")
        tensors.append(_tensor(tensor, raw))
    return tensors


def _typed(message: pb.ModelInferRequest) -> list[Tensor]:
    return [_tensor(tensor, _values(tensor)) for tensor in message.inputs]


def _tensor(tensor: pb.ModelInferRequest.InferInputTensor, data: bytes | list[Any]) -> Tensor:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape), "data": data}


def _values(tensor: pb.ModelInferRequest.InferInputTensor) -> list[Any]:
    """Take the values out of the one field that the datatype has."""
    wanted = _FIELDS.get(tensor.datatype)
    if wanted is None:
        # Of a datatype that no signature has: refused by name where it meets the signature.
        return []
    for field, values in tensor.contents.ListFields():
        if field.name != wanted:
            raise RequestError(
                400, f"input {tensor.name!r} is {tensor.datatype} and has {len(values)} values in {field.name}"
            )
    values = list(getattr(tensor.contents, wanted))
    if tensor.datatype != DataType.BYTES:
        return values
    try:
        return [str(value, "utf-8") for value in values]
    except UnicodeDecodeError as error:
        raise RequestError(400, f"input {tensor.name!r} holds a string that is not UTF-8") from error


def _plain(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    return {name: getattr(one, field) for name, one in parameters.items() if (field := _chosen(one))}


def _chosen(parameter: pb.InferParameter) -> str | None:
    chosen: str | None = parameter.WhichOneof("parameter_choice")
    return chosen
