"""The way into a process over gRPC: a message is read once there is room for it.

gRPC reads the one message of a call before it asks anybody, however many others are in memory. Who takes a stream is
asked first and reads when it likes, and one message is a stream, too: on the wire there is no difference. So the
protocol's methods are registered as such.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc

from services.serving.replica import inference_pb2 as pb
from services.serving.replica import room
from services.serving.replica.errors import RETRY_AFTER_S
from services.serving.replica.grpc_model import PUSHBACK
from services.serving.replica.room import TOO_MANY


class GrpcEntrance(grpc.GenericRpcHandler):  # type: ignore[misc]  # ships no types
    """Methods behind the bounds of this process."""

    def __init__(self, service: str, methods: Mapping[str, grpc.RpcMethodHandler]) -> None:
        # Under this name Serve finds them, and puts its own in their place.
        self._method_handlers = {f"/{service}/{name}": method for name, method in methods.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Find the method of a call."""
        method = self._method_handlers.get(handler_call_details.method)
        return _in_turn(method) if method else None


def _in_turn(method: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    async def answer(_: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
        if room.here.is_full:
            again = ((PUSHBACK, str(1000 * RETRY_AFTER_S)),)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_MANY, again)
        async with room.here:
            return await method.unary_unary(await _read(context), context)

    return grpc.stream_unary_rpc_method_handler(answer, method.request_deserializer, method.response_serializer)


async def _read(context: grpc.aio.ServicerContext) -> Any:
    try:
        async with asyncio.timeout(room.here.patience_s):
            message = await context.read()
    except TimeoutError:
        late = f"the message did not come within {room.here.patience_s:g} s"
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, late)
    if message is grpc.aio.EOF:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no message came")
    return message


def add_to_server(_: object, server: grpc.aio.Server) -> None:
    """Register the protocol's methods with a server of Serve, which has a way of its own to call them."""

    def never(message: object, context: object) -> None:
        raise NotImplementedError

    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            never,
            request_deserializer=getattr(pb, method.input_type.name).FromString,
            response_serializer=getattr(pb, method.output_type.name).SerializeToString,
        )
        for method in service.methods
    }
    server.add_generic_rpc_handlers((GrpcEntrance(service.full_name, methods),))
