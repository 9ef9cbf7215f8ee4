"""The Open Inference Protocol V2 over HTTP, point by point."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from tests.fixtures.bundles import bundles
from tests.fixtures.inference import MAX_REQUEST_BYTES, MAX_ROWS, Server, server

__all__ = ["bundles", "server"]

MODEL = "/v2/models/tiny"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def test_server_is_described(http: httpx.Client) -> None:
    described = http.get("/v2").json()

    assert described.keys() == {"name", "version", "extensions"}
    assert described["extensions"] == ["binary_tensor_data", "parameters"]


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"{MODEL}/ready", {"name": "tiny", "ready": True}),
        (f"{MODEL}/versions/1/ready", {"name": "tiny", "ready": True}),
    ],
)
def test_health_has_a_body(http: httpx.Client, path: str, answered: dict[str, Any]) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()) == (200, answered)


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
def test_model_is_described(http: httpx.Client, path: str) -> None:
    assert http.get(path).json() == {
        "name": "tiny",
        "versions": ["1", "2"],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": "x", "datatype": "FP64", "shape": [-1]},
            {"name": "stops", "datatype": "INT64", "shape": [-1]},
            {"name": "carrier", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "score", "datatype": "FP64", "shape": [-1]},
            {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
        ],
    }


@pytest.mark.parametrize(
    ("path", "version", "score"),
    [(f"{MODEL}/infer", "2", 2001.5), (f"{MODEL}/versions/1/infer", "1", 1001.5)],
)
def test_answer_says_who_answered(http: httpx.Client, path: str, version: str, score: float) -> None:
    answer = http.post(path, json=body(id="mine"))

    content = answer.json()
    ids = content["outputs"][1]["data"]
    assert content == {
        "model_name": "tiny",
        "model_version": version,
        "id": "mine",
        "outputs": [
            {"name": "score", "datatype": "FP64", "shape": [2], "data": [score, score + 1]},
            {"name": "prediction_id", "datatype": "BYTES", "shape": [2], "data": ids},
        ],
    }
    assert len(set(ids)) == 2
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["everloop-model-version"] == version
    assert answer.headers["everloop-prediction-id"] == ids[0]


def test_answer_has_no_id_where_the_request_has_none(http: httpx.Client) -> None:
    assert "id" not in http.post(f"{MODEL}/infer", json=body()).json()


@pytest.mark.parametrize(
    ("outputs", "named"),
    [
        ([], ["score", "prediction_id"]),
        ([{"name": "score"}], ["score"]),
        ([{"name": "prediction_id"}, {"name": "score"}], ["prediction_id", "score"]),
        ([{"name": "score", "parameters": {"unheard_of": 1}}], ["score"]),
    ],
)
def test_outputs_are_those_asked_for_in_that_order(
    http: httpx.Client, outputs: list[dict[str, Any]], named: list[str]
) -> None:
    content = http.post(f"{MODEL}/infer", json=body(outputs=outputs)).json()

    assert [one["name"] for one in content["outputs"]] == named


def test_parameters_nobody_knows_are_ignored(http: httpx.Client) -> None:
    asked = body(parameters={"priority": 3, "headers": {"a": "b"}})
    asked["inputs"][0]["parameters"] = {"content_type": "np"}

    assert http.post(f"{MODEL}/infer", json=asked).status_code == 200


@pytest.mark.parametrize(
    ("shape", "data"),
    [([2], [1.5, 2.5]), ([2, 1], [1.5, 2.5]), ([2, 1], [[1.5], [2.5]])],
    ids=["column", "matrix of one column, flat", "matrix of one column, nested"],
)
def test_data_is_flat_or_nested(http: httpx.Client, shape: list[int], data: list[Any]) -> None:
    content = http.post(f"{MODEL}/infer", json=body(x={"shape": shape, "data": data})).json()

    assert content["outputs"][0] == {"name": "score", "datatype": "FP64", "shape": [2], "data": [2001.5, 2002.5]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": {"datatype": "FP32"}}, "input 'x' is FP64, not 'FP32'; tensors are never cast"),
        ({"stops": {"datatype": "INT32"}}, "input 'stops' is INT64, not 'INT32'"),
        ({"stops": {"data": [1.5, 2]}}, "input 'stops' is INT64 and holds JSON fractions"),
        ({"stops": {"data": [2**63, 2]}}, "input 'stops' holds a number beyond INT64"),
        ({"x": {"data": ["1.5", 2]}}, "input 'x' is FP64 and holds JSON strings"),
        ({"x": {"data": [None, 2]}}, "input 'x' holds null and is not nullable"),
        ({"stops": {"shape": [3]}}, "input 'stops' has the shape [3], expected [2] or [2, 1]"),
        ({"x": {"data": [1.5]}}, "input 'x' has 1 values for the shape [2]"),
        ({"x": {"shape": [1, 2]}}, "input 'x' has the shape [1, 2]"),
        ({"x": {"shape": [2, 1], "data": [[1.5], [1, 2]]}}, "data that is not nested as the shape [2, 1]"),
        ({"x": {"name": "y"}}, "unknown input 'y'; the inputs are x, stops, carrier"),
        ({"outputs": [{"name": "label"}]}, "unknown output 'label'"),
        ({"outputs": [{"name": "score", "parameters": {"classification": 2}}]}, "asks for classification"),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": "yes"}}]}, "binary_data must be true or false"),
        ({"id": 7}, "id must be a string"),
        ({"parameters": [1]}, "the parameters of the request must be an object"),
        ({"parameters": {"explain": 1}}, "explain must be true or false"),
        ({"parameters": {"explain": True}}, "this version can't explain its scores"),
        ({"inputs": []}, "inputs must be a list of at least one tensor"),
    ],
)
def test_request_that_does_not_fit_is_refused_by_name(http: httpx.Client, changes: dict[str, Any], said: str) -> None:
    answer = http.post(f"{MODEL}/infer", json=body(**changes))

    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", f"{MODEL}/versions/9", 404),
        ("GET", f"{MODEL}/versions/latest/ready", 404),
        ("POST", f"{MODEL}/versions/9/infer", 404),
        ("GET", f"{MODEL}/infer", 405),
        ("POST", MODEL, 405),
        ("POST", f"{MODEL}/infer/", 404),
        ("GET", f"{MODEL}/unheard/of", 404),
        ("GET", "/unheard/of", 404),
    ],
)
def test_what_is_not_there_is_the_protocols_error(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path, json=body() if method == "POST" else None)

    assert answer.status_code == status
    assert "error" in answer.json()


def test_content_type_does_not_matter(http: httpx.Client) -> None:
    content = orjson.dumps(body())

    answers = [
        http.post(f"{MODEL}/infer", content=content, headers=headers)
        for headers in ({}, {"content-type": "text/plain"})
    ]

    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)])
def test_body_may_be_packed(http: httpx.Client, coding: str, pack: Any) -> None:
    answer = http.post(f"{MODEL}/infer", content=pack(orjson.dumps(body())), headers={"content-encoding": coding})

    assert answer.json()["outputs"][0]["data"] == [2001.5, 2002.5]


BOMB = gzip.compress(b" " * 100 * MAX_REQUEST_BYTES)


@pytest.mark.parametrize(
    ("content", "coding", "status"),
    [
        (b" " * (MAX_REQUEST_BYTES + 1), None, 413),
        (BOMB, "gzip", 413),
        (BOMB, "br", 415),
        (BOMB, "gzip, gzip", 415),
        (BOMB[:-9], "gzip", 413),
        (gzip.compress(b"{}")[:-1], "gzip", 400),
        (gzip.compress(b"{}") + b"more", "gzip", 400),
        (b"{}", "gzip", 400),
        (b"{}", "deflate", 400),
        (b"{}", None, 400),
        (b"\xff", None, 400),
    ],
)
def test_body_that_is_too_large_or_broken_is_refused(
    http: httpx.Client, content: bytes, coding: str | None, status: int
) -> None:
    answer = http.post(f"{MODEL}/infer", content=content, headers={"content-encoding": coding} if coding else {})

    assert answer.status_code == status
    assert answer.json().keys() == {"error"}


def test_body_without_a_length_is_bounded_too(http: httpx.Client) -> None:
    answer = http.post(f"{MODEL}/infer", content=iter([b" " * 60_000] * 2))

    assert answer.status_code == 413


def test_rows_are_bounded(http: httpx.Client) -> None:
    asked = body(x={"shape": [MAX_ROWS + 1], "data": []})

    assert http.post(f"{MODEL}/infer", json=asked).status_code == 413


def test_caller_keeps_its_trace(http: httpx.Client, server: Server) -> None:
    http.post(f"{MODEL}/infer", json=body(), headers={"traceparent": TRACEPARENT})

    (span,) = server.spans.named("predict")
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" in TRACEPARENT


def test_tensors_travel_as_bytes_both_ways(http: httpx.Client) -> None:
    answer = binary(http, [X, STOPS, CARRIER], parameters={"binary_data_output": True})

    head, tail = split(answer)
    first, second = head["outputs"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "data" not in first
    assert first["parameters"] == {"binary_data_size": 16}
    assert struct.unpack("<2d", tail[:16]) == (2001.5, 2002.5)
    assert second["parameters"] == {"binary_data_size": len(tail) - 16}
    (length,) = struct.unpack_from("<I", tail, 16)
    assert tail[20 : 20 + length].decode() == answer.headers["everloop-prediction-id"]


def test_each_output_chooses_its_form(http: httpx.Client) -> None:
    outputs = [{"name": "score", "parameters": {"binary_data": False}}, {"name": "prediction_id"}]

    head, tail = split(http.post(f"{MODEL}/infer", json=body(outputs=outputs, parameters={"binary_data_output": True})))

    assert head["outputs"][0]["data"] == [2001.5, 2002.5]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": len(tail)}


def test_bytes_and_json_mix(http: httpx.Client) -> None:
    stops = {"name": "stops", "datatype": "INT64", "shape": [2], "data": [None, 1]}

    answer = binary(http, [X, stops, CARRIER])

    assert answer.json()["outputs"][0]["data"] == [2001.5, 2002.5]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([("x", "FP64", b"\0" * 15)], "input 'x' has 15 bytes; 2 of FP64 are 16"),
        ([("x", "FP32", b"\0" * 8)], "input 'x' is FP64, not 'FP32'"),
        ([("x", "FP64", struct.pack("<2d", float("nan"), 1))], "input 'x' holds NaN, which is null"),
        ([("x", "FP64", struct.pack("<2d", float("inf"), 1))], "input 'x' holds a number that is not finite"),
        ([("carrier", "BYTES", struct.pack("<I2s", 2, b"UA"))], "has 1 strings in its bytes, expected 2"),
        (
            [("carrier", "BYTES", struct.pack("<I2s", 2**32 - 1, b"UA"))],
            "says a string has 4294967295 bytes; 2 are left",
        ),
        ([("carrier", "BYTES", struct.pack("<I2s", 2, b"\xff\xfe") * 2)], "holds a string that is not UTF-8"),
        ([("carrier", "BYTES", struct.pack("<I2s", 2, b"UA") * 3)], "has 6 bytes after its 2 strings"),
    ],
)
def test_bytes_that_are_not_the_tensor_are_refused(http: httpx.Client, tensors: list[Any], said: str) -> None:
    given = {name: (name, datatype, raw) for name, datatype, raw in tensors}

    answer = binary(http, [given.get(one[0], one) for one in (X, STOPS, CARRIER)])

    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("length", "sizes", "tail", "said"),
    [
        ("nonsense", [16, 16, 12], 44, "is no length of JSON"),
        ("-1", [16, 16, 12], 44, "is no length of JSON"),
        ("0", [16, 16, 12], 44, "is no length of JSON"),
        ("99999999999999999999", [16, 16, 12], 44, "is no length of JSON"),
        ("10", [16, 16, 12], 44, "the body is not JSON"),
        (None, [16, 16, 12], 45, "1 bytes behind the JSON belong to no input"),
        (None, [16, 16, 12], 43, "input 'carrier' has the binary_data_size 12; 11 bytes are left"),
        (None, [16, -16, 12], 44, "input 'stops' has the binary_data_size -16"),
        (None, [16, "16", 12], 44, "input 'stops' has the binary_data_size '16'"),
        (None, [16, 2**60, 12], 44, "input 'stops' has the binary_data_size"),
    ],
)
def test_lengths_must_add_up(http: httpx.Client, length: str | None, sizes: list[Any], tail: int, said: str) -> None:
    head = orjson.dumps({"inputs": [sized(*one) for one in zip((X, STOPS, CARRIER), sizes, strict=True)]})
    raw = b"".join(one[2] for one in (X, STOPS, CARRIER))
    headers = {"inference-header-content-length": length or str(len(head))}

    answer = http.post(f"{MODEL}/infer", content=head + (raw + b"\0")[:tail], headers=headers)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_binary_tensor_without_its_header_is_refused(http: httpx.Client) -> None:
    answer = http.post(f"{MODEL}/infer", json={"inputs": [sized(one, 16) for one in (X, STOPS, CARRIER)]})

    assert (answer.status_code, "no Inference-Header-Content-Length" in answer.json()["error"]) == (400, True)


X = ("x", "FP64", struct.pack("<2d", 1.5, 2.5))
STOPS = ("stops", "INT64", struct.pack("<2q", 0, 1))
CARRIER = ("carrier", "BYTES", struct.pack("<I2sI2s", 2, b"UA", 2, b"DL"))


def body(**changes: Any) -> dict[str, Any]:
    """Write two rows; changes are to inputs by name, else to the request."""
    tensors = {
        "x": {"name": "x", "datatype": "FP64", "shape": [2], "data": [1.5, 2.5]},
        "stops": {"name": "stops", "datatype": "INT64", "shape": [2], "data": [0, None]},
        "carrier": {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["UA", "DL"]},
    }
    inputs = [{**tensor, **changes.pop(name, {})} for name, tensor in tensors.items()]
    return {"inputs": inputs, **changes}


def sized(tensor: tuple[str, str, bytes], size: Any) -> dict[str, Any]:
    name, datatype, _ = tensor
    return {"name": name, "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}}


def binary(http: httpx.Client, tensors: list[Any], **more: Any) -> httpx.Response:
    inputs = [one if isinstance(one, dict) else sized(one, len(one[2])) for one in tensors]
    head = orjson.dumps({"inputs": inputs, **more})
    tail = b"".join(one[2] for one in tensors if not isinstance(one, dict))
    return http.post(f"{MODEL}/infer", content=head + tail, headers={"inference-header-content-length": str(len(head))})


def split(answer: httpx.Response) -> tuple[dict[str, Any], bytes]:
    place = int(answer.headers["inference-header-content-length"])
    return orjson.loads(answer.content[:place]), answer.content[place:]
