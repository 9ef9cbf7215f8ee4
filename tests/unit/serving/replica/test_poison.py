"""A request of any making is refused by a clear error, and the next good one is answered as if nothing had been."""

import struct
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from everloop.bundle.rows import feature_rows
from tests.fixtures.bundles import DEFINITION, bundles
from tests.fixtures.inference import MAX_REQUEST_BYTES, MODEL, Server, server

__all__ = ["bundles", "server"]

NESTED = b"[" * 1000 + b"]" * 1000
TOO_DEEP = b"[" * 5000 + b"]" * 5000
HERE = b'"here"'
X = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.5]}
STOPS = {"name": "stops", "datatype": "INT64", "shape": [1], "data": [2]}
CARRIER = {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["UA"]}
GOOD = orjson.dumps({"inputs": [X, STOPS, CARRIER]})


def body(
    *, x: dict[str, Any] = X, stops: dict[str, Any] = STOPS, carrier: dict[str, Any] = CARRIER, **more: Any
) -> bytes:
    return orjson.dumps({"inputs": [X | x, STOPS | stops, CARRIER | carrier], **more})


POISONS: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "half of it": GOOD[:-10],
    "NaN in JSON": body(x={"data": ["here"]}).replace(HERE, b"NaN"),
    "Infinity in JSON": body(x={"data": ["here"]}).replace(HERE, b"-Infinity"),
    "number beyond FP64": body(x={"data": ["here"]}).replace(HERE, b"1e999"),
    "number beyond INT64": body(stops={"data": ["here"]}).replace(HERE, b"9223372036854775808"),
    "number of 400 digits": body(stops={"data": ["here"]}).replace(HERE, b"9" * 400),
    "text for a number": body(x={"data": ["1.5"]}),
    "truth for a number": body(x={"data": [True]}),
    "null where there is none": body(x={"data": [None]}),
    "text that is no UTF-8": body(carrier={"data": ["here"]}).replace(HERE, b'"\xff\xfe"'),
    "half a surrogate pair": body(carrier={"data": ["here"]}).replace(HERE, b'"\\ud800"'),
    "text of 20,000 characters": body(carrier={"data": ["a" * 20_000]}),
    "JSON nested 5,000 deep": body(carrier={"data": "here"}).replace(HERE, TOO_DEEP),
    **{
        f"{field} nested 1,000 deep": body(x={field: "here"}).replace(HERE, NESTED)
        for field in ("data", "shape", "datatype", "name")
    },
    "binary size nested 1,000 deep": body(x={"data": None, "parameters": {"binary_data_size": "here"}}).replace(
        HERE, NESTED
    ),
    "output nested 1,000 deep": body(outputs=[{"name": "here"}]).replace(HERE, NESTED),
    "parameters nested 1,000 deep": body(parameters="here").replace(HERE, NESTED),
    "id nested 1,000 deep": body(id="here").replace(HERE, NESTED),
    "key twice in a tensor": GOOD.replace(b'"data":[1.5]', b'"data":[1.5],"data":[2.5]'),
    "inputs twice": GOOD.replace(b'{"inputs"', b'{"inputs":[],"inputs"'),
    "tensor twice": orjson.dumps({"inputs": [X, X, STOPS, CARRIER]}),
    "tensor lacking": orjson.dumps({"inputs": [X, STOPS]}),
    "tensor unknown": orjson.dumps({"inputs": [X, STOPS, CARRIER, X | {"name": "y" * 5000}]}),
    "rows without end": body(x={"shape": [10**18]}),
    "rows below 0": body(x={"shape": [-1]}),
    "more values than rows": body(x={"data": [1.5] * 3}),
    "shape of truth": body(x={"shape": [True]}),
    "body beyond the bound": b" " * (MAX_REQUEST_BYTES + 1),
}
V1_POISONS: dict[str, bytes] = {
    "key twice": b'{"x": 1.5, "x": 2.5, "stops": 2, "carrier": "UA"}',
    "NaN in JSON": b'{"x": NaN, "stops": 2, "carrier": "UA"}',
    "row nested 1,000 deep": b'{"x": %s, "stops": 2, "carrier": "UA"}' % NESTED,
    "text of 20,000 characters": b'{"x": 1.5, "stops": 2, "carrier": "%s"}' % (b"a" * 20_000),
    "number beyond INT64": b'{"x": 1.5, "stops": 1e30, "carrier": "UA"}',
}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as client:
        yield client


def still_answers(client: httpx.Client) -> bool:
    answer = client.post(f"/v2/models/{MODEL}/infer", content=GOOD)
    return answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [2001.5]


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
def test_poison_is_refused_and_harms_nobody(client: httpx.Client, poison: bytes) -> None:
    answer = client.post(f"/v2/models/{MODEL}/infer", content=poison)

    assert 400 <= answer.status_code < 500, answer.text[:300]
    # What is wrong, in a sentence, not a copy of what was sent.
    assert set(answer.json()) == {"error"}
    assert len(answer.content) < 400
    assert still_answers(client)


@pytest.mark.parametrize("poison", V1_POISONS.values(), ids=V1_POISONS.keys())
def test_poisoned_row_is_refused_and_harms_nobody(client: httpx.Client, poison: bytes) -> None:
    answer = client.post(f"/v1/models/{MODEL}/predict", content=poison)

    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert len(answer.content) < 400
    assert still_answers(client)


def binary(value: float | bytes, *, stops: bytes = struct.pack("<q", 2), carrier: bytes = b"UA") -> tuple[bytes, int]:
    parts = [
        value if isinstance(value, bytes) else struct.pack("<d", value),
        stops,
        struct.pack("<I", len(carrier)) + carrier,
    ]
    inputs = [
        {name: one[name] for name in ("name", "datatype", "shape")} | {"parameters": {"binary_data_size": len(part)}}
        for one, part in zip((X, STOPS, CARRIER), parts, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs})
    return head + b"".join(parts), len(head)


@pytest.mark.parametrize(
    "poison",
    [
        binary(float("nan")),
        binary(float("inf")),
        binary(float("-inf")),
        binary(b"\x00" * 7),
        binary(1.5, stops=b"\x00" * 9),
        binary(1.5, carrier=b"\xff\xfe"),
        binary(1.5, carrier=b"a" * 20_000),
        (binary(1.5)[0], 10**9),
        (binary(1.5)[0], 1),
    ],
    ids=["nan", "inf", "-inf", "short", "long", "no UTF-8", "long text", "header beyond the body", "header of 1"],
)
def test_poisoned_bytes_are_refused_and_harm_nobody(client: httpx.Client, poison: tuple[bytes, int]) -> None:
    content, json_length = poison
    headers = {"Inference-Header-Content-Length": str(json_length)}

    answer = client.post(f"/v2/models/{MODEL}/infer", content=content, headers=headers)

    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert still_answers(client)


def test_odd_but_right_values_are_answered(client: httpx.Client) -> None:
    odd = body(x={"data": [5e-324]}, stops={"data": [None]}, carrier={"data": ["\0\u202e💥"]})

    answer = client.post(f"/v2/models/{MODEL}/infer", content=odd)

    assert answer.json()["outputs"][0]["data"] == [2000.0]


def test_a_string_that_is_a_key_elsewhere_is_no_repetition(client: httpx.Client) -> None:
    many = {"shape": [4], "data": ["data", "shape", "data", "inputs"]}
    four = {"shape": [4], "data": [1.5] * 4}

    answer = client.post(
        f"/v2/models/{MODEL}/infer", content=body(x=four, stops={"shape": [4], "data": [1] * 4}, carrier=many)
    )

    assert answer.json()["outputs"][0]["data"] == [2001.5] * 4


def test_the_library_refuses_what_the_replica_refuses() -> None:
    for value in (float("nan"), float("inf"), None, "1.5"):
        with pytest.raises(ValueError, match=r"^x: "):
            feature_rows({"x": [value], "stops": [2], "carrier": ["UA"]}, DEFINITION.dataset)
