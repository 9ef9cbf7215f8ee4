"""What goes wrong behind gRPC is told as a status, and the log tells where without a word of what was asked."""

from typing import Any

import grpc
import pytest

from services.chassis.logs import JsonFormatter
from services.serving.haproxy import UNREAD
from services.serving.replica import inference_pb2 as pb
from services.serving.replica.errors import LONGEST_MESSAGE, RequestError
from services.serving.replica.grpc_door import DoorFace
from services.serving.replica.grpc_model import PUSHBACK, SERVICE, told


class Context:
    """What Serve hands over."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailing: list[tuple[str, str]] = []

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailing: list[tuple[str, str]]) -> None:
        self.trailing = trailing


async def refused_with(error: Exception) -> Context:
    async def face(_: Any, __: Any) -> pb.ModelInferResponse:
        raise error

    context: Any = Context()
    await told(face, pb.ModelInferRequest(), context, pb.ModelInferResponse)
    assert isinstance(context, Context)
    return context


async def test_a_bug_is_told_by_its_place_and_not_by_what_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    context = await refused_with(ValueError("secret of whoever asked"))

    logged = "".join(JsonFormatter("serving").format(record) for record in caplog.records)
    assert (context.code, "secret" in context.details) == (grpc.StatusCode.INTERNAL, False)
    assert "test_grpc_model" in logged
    assert "secret" not in logged


async def test_who_is_refused_for_now_is_told_when_to_come_again() -> None:
    context = await refused_with(RequestError(429, "too many", retry_after_s=2))

    assert (context.code, context.trailing) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [(PUSHBACK, "2000")])


async def test_who_went_round_through_the_door_is_told_when_to_come_again() -> None:
    async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        context.set_trailing_metadata(((PUSHBACK, "3000"),))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "no version answers yet")

    server = grpc.aio.server()
    methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(refuse)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def all_answer() -> bool:
        return True

    with pytest.raises(RequestError) as refused:
        await DoorFace(all_answer, f"127.0.0.1:{port}").infer(pb.ModelInferRequest(model_name="flights"), {UNREAD: "1"})
    await server.stop(None)

    assert (refused.value.status, refused.value.retry_after_s) == (503, 3)


async def test_an_error_is_short_however_long_the_names_in_it_are() -> None:
    context = await refused_with(RequestError(400, f"unknown input {'x' * 100_000}"))

    assert len(context.details) == LONGEST_MESSAGE + 1
