"""The Open Inference Protocol V2 over HTTP, point by point."""

from typing import Any

import httpx
import orjson
import pytest

from tests.conformance.rest import MODEL, body, http
from tests.fixtures.bundles import bundles
from tests.fixtures.inference import Server, server

__all__ = ["bundles", "http", "server"]

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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


def test_content_type_does_not_matter(http: httpx.Client) -> None:
    content = orjson.dumps(body())

    answers = [
        http.post(f"{MODEL}/infer", content=content, headers=headers)
        for headers in ({}, {"content-type": "text/plain"})
    ]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_caller_keeps_its_trace(http: httpx.Client, server: Server) -> None:
    http.post(f"{MODEL}/infer", json=body(), headers={"traceparent": TRACEPARENT})

    (span,) = server.spans.named("predict")
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" in TRACEPARENT
