"""The gRPC face of the front door: what the protocol says of the server, and of models nobody serves.

HAProxy reads from each message which model it is for. What it can't read, a compressed message say, comes here,
and goes round once more in a form it can.
"""

import re
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar

import grpc

from services.serving.haproxy import UNREAD
from services.serving.replica import inference_pb2 as pb
from services.serving.replica.errors import RequestError
from services.serving.replica.grpc_model import PUSHBACK, SERVICE, STATUSES, Metadata, method
from services.serving.replica.protocol import EXTENSIONS
from services.serving.replica.v2 import ROUTING_KEY_HEADER

A_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PASSED_ON = ("traceparent", ROUTING_KEY_HEADER)
LONGEST_ROUND_S = 60.0
_REFUSED = {status: code for code, status in reversed(list(STATUSES.items()))}

_ANY_SIZE = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

M = TypeVar("M")


class DoorFace:
    """Answers over gRPC for the server as a whole."""

    def __init__(self, all_answer: Callable[[], Awaitable[bool]], front: str) -> None:
        """Prepare.

        Args:
            all_answer: Tells whether every model answers that should.
            front: Where clients send their messages, too: host:port.
        """
        self._all_answer = all_answer
        self._front = front
        self._channel: grpc.aio.Channel | None = None

    async def live(self, _: pb.ServerLiveRequest, __: Metadata) -> pb.ServerLiveResponse:
        """Tell that the server runs."""
        return pb.ServerLiveResponse(live=True)

    async def ready(self, _: pb.ServerReadyRequest, __: Metadata) -> pb.ServerReadyResponse:
        """Tell whether every model that should answer does."""
        return pb.ServerReadyResponse(ready=await self._all_answer())

    async def metadata(self, _: pb.ServerMetadataRequest, __: Metadata) -> pb.ServerMetadataResponse:
        """Describe the server."""
        return pb.ServerMetadataResponse(name="everloop", version=version("everloop"), extensions=EXTENSIONS)

    async def model_ready(self, message: pb.ModelReadyRequest, metadata: Metadata) -> pb.ModelReadyResponse:
        """Tell that a model is not there, or have it tell itself."""
        return await self._round("ModelReady", message, message.name, metadata, pb.ModelReadyResponse)

    async def model_metadata(self, message: pb.ModelMetadataRequest, metadata: Metadata) -> pb.ModelMetadataResponse:
        """Refuse what no application serves, or have it answer itself."""
        return await self._round("ModelMetadata", message, message.name, metadata, pb.ModelMetadataResponse)

    async def infer(self, message: pb.ModelInferRequest, metadata: Metadata) -> pb.ModelInferResponse:
        """Refuse what no application serves, or have it answer itself."""
        return await self._round("ModelInfer", message, message.model_name, metadata, pb.ModelInferResponse)

    async def _round(self, method: str, message: Any, model: str, metadata: Metadata, answer: type[M]) -> M:
        # Messages are written with their first field first, so that one of a good name comes here once at most.
        if UNREAD not in metadata or not A_NAME.fullmatch(model):
            raise RequestError(404, f"no model {model!r} is served here")
        # A channel belongs to the event loop, which there is not before the first message.
        self._channel = self._channel or grpc.aio.insecure_channel(self._front, _ANY_SIZE)
        call = self._channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=type(message).SerializeToString,
            response_deserializer=answer.FromString,  # type: ignore[attr-defined]  # of every message
        )
        passed_on = [(name, metadata[name]) for name in PASSED_ON if name in metadata]
        try:
            answered: M = await call(message, metadata=passed_on, timeout=LONGEST_ROUND_S)
        except grpc.aio.AioRpcError as error:
            status, again = _REFUSED.get(error.code(), 500), dict(error.trailing_metadata() or ()).get(PUSHBACK)
            retry_after_s = int(again) // 1000 if again else None
            raise RequestError(status, error.details() or error.code().name, retry_after_s=retry_after_s) from error
        return answered


class DoorMethods:
    """The protocol's methods; those for one model come here where it has no replica, or could not be read."""

    _face: DoorFace
    ServerLive = method(DoorFace.live, pb.ServerLiveResponse)
    ServerReady = method(DoorFace.ready, pb.ServerReadyResponse)
    ServerMetadata = method(DoorFace.metadata, pb.ServerMetadataResponse)
    ModelReady = method(DoorFace.model_ready, pb.ModelReadyResponse)
    ModelMetadata = method(DoorFace.model_metadata, pb.ModelMetadataResponse)
    ModelInfer = method(DoorFace.infer, pb.ModelInferResponse)
