"""Requests of the Open Inference Protocol V2 over HTTP, with tensors as JSON and as bytes."""

import struct
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from tests.fixtures.inference import Server

MODEL = "/v2/models/tiny"


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


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
