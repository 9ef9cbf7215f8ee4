"""Tensors travel as bytes where the caller wants them to."""

import struct
from typing import Any

import httpx
import orjson
import pytest

from tests.conformance.rest import CARRIER, MODEL, STOPS, X, binary, body, http, sized, split
from tests.fixtures.bundles import bundles
from tests.fixtures.inference import server

__all__ = ["bundles", "http", "server"]


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
