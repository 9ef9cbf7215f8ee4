"""NVIDIA's client, unchanged: it sends no Content-Type, and binary tensors both ways unless told otherwise."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

from tests.fixtures.bundles import bundles
from tests.fixtures.inference import Server, server

__all__ = ["bundles", "server"]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with http.InferenceServerClient(server.address) as client:
        yield client


def test_server_and_model_are_found(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "everloop"
    assert client.get_model_metadata("tiny", "1")["platform"] == "onnx_onnxv1"


@pytest.mark.parametrize("binary", [True, False], ids=["binary in", "json in"])
@pytest.mark.parametrize("outputs", ["default", "binary", "json"])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
def test_rows_are_scored(client: Any, binary: bool, outputs: str, packed: str | None) -> None:
    chosen = None
    if outputs != "default":
        chosen = [http.InferRequestedOutput(name, outputs == "binary") for name in ("score", "prediction_id")]

    result = client.infer(
        "tiny", inputs(binary=binary), outputs=chosen, request_id="mine", request_compression_algorithm=packed
    )

    assert result.as_numpy("score").tolist() == [2001.5, 2002.5]
    assert result.as_numpy("score").dtype == np.float64
    assert len(set(result.as_numpy("prediction_id").tolist())) == 2
    assert result.get_response()["id"] == "mine"
    assert result.get_response()["model_version"] == "2"


def test_version_and_output_are_chosen(client: Any) -> None:
    result = client.infer("tiny", inputs(), model_version="1", outputs=[http.InferRequestedOutput("score")])

    assert result.as_numpy("score").tolist() == [1001.5, 1002.5]
    assert result.as_numpy("prediction_id") is None


def test_answer_may_be_wanted_packed(client: Any) -> None:
    result = client.infer("tiny", inputs(), response_compression_algorithm="gzip")

    assert result.as_numpy("score").tolist() == [2001.5, 2002.5]


def test_many_rows_travel_at_once(client: Any) -> None:
    rows = 1000

    result = client.infer("tiny", inputs(np.arange(rows, dtype=np.float64)))

    assert result.as_numpy("score").tolist() == [2000.0 + row for row in range(rows)]


def test_several_at_once_are_answered_apart(server: Server) -> None:
    with http.InferenceServerClient(server.address, concurrency=4) as many:
        waiting = [many.async_infer("tiny", inputs(np.array([float(one)]))) for one in range(8)]
        scores = [one.get_result().as_numpy("score").tolist() for one in waiting]

    assert scores == [[2000.0 + one] for one in range(8)]


@pytest.mark.parametrize(
    ("model", "version", "column", "said"),
    [
        ("other", "", np.array([1.5]), "no model 'other' is served here"),
        ("tiny", "9", np.array([1.5]), "version 9 of tiny is not held here"),
        ("tiny", "", np.array([1.5], np.float32), "input 'x' is FP64, not 'FP32'; tensors are never cast"),
        ("tiny", "", np.array([np.nan]), "input 'x' holds NaN"),
    ],
)
def test_refusal_reaches_the_caller(client: Any, model: str, version: str, column: Any, said: str) -> None:
    with pytest.raises(InferenceServerException, match=re.escape(said)):
        client.infer(model, inputs(column), version)


def inputs(x: Any = None, *, binary: bool = True) -> list[Any]:
    x = np.array([1.5, 2.5]) if x is None else x
    rows = len(x)
    columns = {
        "x": (x, "FP32" if x.dtype == np.float32 else "FP64"),
        "stops": (np.zeros(rows, np.int64), "INT64"),
        "carrier": (np.array(["UA"] * rows, dtype=np.object_), "BYTES"),
    }
    written = []
    for name, (values, datatype) in columns.items():
        tensor = http.InferInput(name, [rows], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        written.append(tensor)
    return written
