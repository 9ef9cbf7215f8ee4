"""Messages over gRPC are read once there is room for them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import pytest

from services.serving.replica import inference_pb2 as pb
from services.serving.replica import room
from services.serving.replica.grpc_entrance import add_to_server
from services.serving.replica.grpc_model import PUSHBACK, SERVICE
from services.serving.replica.room import TOO_MANY, Room
from tests.fixtures.waiting import eventually

ONE_MIB = b"x" * 1024 * 1024
Infer = Callable[[pb.ModelInferRequest], "grpc.aio.UnaryUnaryCall[pb.ModelInferRequest, pb.ModelInferResponse]"]


class Model:
    """Answers when it may, and counts what it was handed."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def answer(self, message: pb.ModelInferRequest, context: object) -> bytes:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may.wait()
            answered: bytes = pb.ModelInferResponse(id=message.id).SerializeToString()
            return answered
        finally:
            self.at_once -= 1


class Server:
    """Does with methods what Serve's server does."""

    def __init__(self, server: grpc.aio.Server, model: Model) -> None:
        self._server = server
        self._model = model

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        instead = {"unary_unary": self._model.answer, "response_serializer": None}
        methods = handlers[0]._method_handlers
        handlers[0]._method_handlers = {name: method._replace(**instead) for name, method in methods.items()}
        self._server.add_generic_rpc_handlers(handlers)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def channel(model: Model, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[grpc.aio.Channel]:
    monkeypatch.setattr(room, "here", Room(max_ongoing=2, max_waiting=3, patience_s=0.2))
    server = grpc.aio.server()
    add_to_server(None, Server(server, model))  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


@pytest.fixture
def infer(channel: grpc.aio.Channel) -> Infer:
    """Ask as any client does: one message, one answer."""
    return channel.unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=pb.ModelInferRequest.SerializeToString,
        response_deserializer=pb.ModelInferResponse.FromString,
    )


def message(id_: int) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name="flights", id=str(id_), raw_input_contents=[ONE_MIB])


async def test_what_is_beyond_the_room_waits_unread_or_comes_again(model: Model, infer: Infer) -> None:
    calls = [infer(message(number)) for number in range(8)]
    refused: set[asyncio.Task[grpc.StatusCode]] = set()
    rest = {asyncio.ensure_future(call.code()) for call in calls}
    while len(refused) < 3:
        done, rest = await asyncio.wait(rest, return_when=asyncio.FIRST_COMPLETED)
        refused |= done
    model.may.set()
    await asyncio.wait(rest)

    ended = [(await call.code(), await call.details(), await call.trailing_metadata()) for call in calls]
    again = [(details, dict(trailing or ())[PUSHBACK]) for code, details, trailing in ended if code.name != "OK"]
    assert again == [(TOO_MANY, "1000")] * 3
    assert {task.result() for task in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    answered = [number for number, (code, *_) in enumerate(ended) if code is grpc.StatusCode.OK]
    assert [(await calls[number]).id for number in answered] == [str(number) for number in answered]
    assert (len(answered), model.most_at_once) == (5, 2)
    assert (await infer(message(9))).id == "9"


async def test_who_leaves_makes_room(model: Model, infer: Infer) -> None:
    leaving = [infer(message(number)) for number in range(5)]
    await eventually(lambda: room.here.is_full)
    refused = await infer(message(6)).code()
    for call in leaving:
        call.cancel()
    await eventually(lambda: not room.here.is_full)
    model.may.set()

    assert refused is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await infer(message(7))).id == "7"


async def test_a_sender_who_is_slow_keeps_no_place(model: Model, channel: grpc.aio.Channel, infer: Infer) -> None:
    model.may.set()
    stream = channel.stream_unary(f"/{SERVICE}/ModelInfer")
    silent = [stream() for _ in range(2)]

    assert (await infer(message(1))).id == "1"
    assert [await call.code() for call in silent] == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2


async def test_a_call_without_a_message_is_told_so(channel: grpc.aio.Channel) -> None:
    call = channel.stream_unary(f"/{SERVICE}/ModelInfer")()
    await call.done_writing()

    assert (await call.code(), await call.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no message came")
