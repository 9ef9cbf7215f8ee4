"""The gRPC face of one model, and how every gRPC face says that something is wrong."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from services.chassis.logs import Log
from services.serving.replica import inference_pb2 as pb
from services.serving.replica.answering import Answering
from services.serving.replica.errors import MODEL_FAILED, RequestError, log_bug
from services.serving.replica.explaining import attributions
from services.serving.replica.grpc_messages import metadata, read, write
from services.serving.replica.protocol import BINARY_SIZE_IN_LOG
from services.serving.replica.v2 import ROUTING_KEY_HEADER

if TYPE_CHECKING:
    from ray.serve.grpc_util import RayServegRPCContext

SERVICE = "inference.GRPCInferenceService"
STATUSES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""What a refusal over HTTP is over gRPC. The text is the same."""
PUSHBACK = "grpc-retry-pushback-ms"
"""What gRPC's own retries read; HTTP's Retry-After."""

F = TypeVar("F")
M = TypeVar("M")
A = TypeVar("A")
Metadata = Mapping[str, Any]

log = Log(__name__)


class ModelFace:
    """One model over gRPC."""

    def __init__(self, answering: Answering, *, max_request_bytes: int) -> None:
        self._answering = answering
        self._max_request_bytes = max_request_bytes

    async def ready(self, message: pb.ModelReadyRequest, _: Metadata) -> pb.ModelReadyResponse:
        """Tell whether the model, or one version, would answer."""
        try:
            self._answering.choose(message.version or None)
        except RequestError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def metadata(self, message: pb.ModelMetadataRequest, _: Metadata) -> pb.ModelMetadataResponse:
        """Describe the model or one version."""
        chosen = self._answering.choose(message.version or None)
        return metadata(self._answering.model, self._answering.shelf.versions, chosen.signature, chosen.format)

    async def infer(self, message: pb.ModelInferRequest, metadata: Metadata) -> pb.ModelInferResponse:
        """Score rows.

        Raises:
            RequestError: It can't be answered.
        """
        size_bytes = message.ByteSize()
        if size_bytes > self._max_request_bytes:
            raise RequestError(413, f"the request is larger than {self._max_request_bytes} bytes")
        asked = read(message, size_bytes=BINARY_SIZE_IN_LOG * size_bytes)
        chosen = self._answering.choose(
            message.model_version or None, routing_key=metadata.get(ROUTING_KEY_HEADER) or asked.routing_key
        )
        question = self._answering.read(chosen, lambda reader: reader.of_tensors(asked.tensors, asked.size_bytes))
        explained = await attributions(chosen.explain, question) if asked.explain else None
        answered = await self._answering.answer(chosen, question, traceparent=metadata.get("traceparent"))
        raw = bool(message.raw_input_contents)
        return write(asked, answered, explained, model=self._answering.model, raw=raw)


async def told(
    face: Callable[[M, Metadata], Awaitable[A]], message: M, context: "RayServegRPCContext", empty: Callable[[], A]
) -> A:
    """Have a face answer, and say what is wrong as a status.

    Args:
        face: Answers.
        message: The request.
        context: Serve's, which carries metadata in and the status out.
        empty: Makes what is sent beside a status that is not OK; nobody reads it.
    """
    try:
        return await face(message, dict(context.invocation_metadata()))
    except RequestError as error:
        context.set_code(STATUSES.get(error.status, grpc.StatusCode.UNKNOWN))
        context.set_details(str(error))
        if error.retry_after_s:
            context.set_trailing_metadata([(PUSHBACK, str(1000 * error.retry_after_s))])
    except Exception as error:
        log_bug(log, "prediction failed", error)
        context.set_code(grpc.StatusCode.INTERNAL)
        context.set_details(MODEL_FAILED)
    return empty()


def method(
    face: Callable[[F, M, Metadata], Awaitable[A]], empty: Callable[[], A]
) -> "Callable[[Any, M, RayServegRPCContext], Awaitable[A]]":
    """Make a method of a deployment, which Serve finds by its name, from one of the deployment's face."""

    async def answer(self: Any, message: M, grpc_context: "RayServegRPCContext") -> A:
        return await told(partial(face, self._face), message, grpc_context, empty)

    return answer


class ModelMethods:
    """The protocol's methods, as far as they are for one model."""

    _face: ModelFace
    ModelReady = method(ModelFace.ready, pb.ModelReadyResponse)
    ModelMetadata = method(ModelFace.metadata, pb.ModelMetadataResponse)
    ModelInfer = method(ModelFace.infer, pb.ModelInferResponse)
