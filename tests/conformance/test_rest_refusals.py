"""What the Open Inference Protocol over HTTP refuses, and in which words."""

import gzip
import zlib
from typing import Any

import httpx
import orjson
import pytest

from tests.conformance.rest import MODEL, body, http
from tests.fixtures.bundles import bundles
from tests.fixtures.inference import MAX_REQUEST_BYTES, MAX_ROWS, server

__all__ = ["bundles", "http", "server"]


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
