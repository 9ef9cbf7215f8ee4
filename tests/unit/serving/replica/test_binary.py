"""Bytes are read as they are meant or refused, whatever they are."""

import struct
import zlib
from contextlib import suppress
from math import inf, nan

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive

from contracts.bundle import DataType, TensorSpec
from contracts.pipeline import NonFinite
from services.serving.replica.binary import decode, encode
from services.serving.replica.columns import Column
from services.serving.replica.encodings import read_body
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import parse
from tests.unit.serving.replica.test_protocol import READER

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.floats(), min_size=1, max_size=50))
def test_numbers_survive(values: list[float]) -> None:
    raw = encode(values, "FP64")

    assert [one.hex() for one in decode(memoryview(raw), "FP64", len(values), "x")] == [one.hex() for one in values]


@given(st.lists(TEXTS, min_size=1, max_size=50))
def test_texts_survive(values: list[str]) -> None:
    assert decode(encode(values, "BYTES"), "BYTES", len(values), "x") == values


def test_integers_and_flags_are_little_endian() -> None:
    assert decode(struct.pack("<2q", -1, 2**63 - 1), "INT64", 2, "x") == [-1, 2**63 - 1]
    assert decode(b"\0\1", "BOOL", 2, "x") == [False, True]
    with pytest.raises(RequestError, match="other than 0 and 1"):
        decode(b"\0\2", "BOOL", 2, "x")


@given(st.binary(max_size=100), st.sampled_from(["BOOL", "INT64", "FP64", "BYTES"]), st.integers(1, 20))
def test_any_bytes_are_read_or_refused_but_never_break(raw: bytes, datatype: str, rows: int) -> None:
    with suppress(RequestError):
        assert len(decode(memoryview(raw), datatype, rows, "x")) == rows


@given(
    st.lists(st.integers(-(2**40), 2**40) | st.none(), min_size=4, max_size=4),
    st.binary(max_size=80),
    st.integers(-3, 3),
)
def test_any_sizes_are_read_or_refused_but_never_break(sizes: list[int | None], tail: bytes, off: int) -> None:
    names = (("distance", "FP64"), ("hour", "INT64"), ("carrier", "BYTES"), ("weekend", "BOOL"))
    inputs = [
        {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": size}}
        for (name, datatype), size in zip(names, sizes, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs})

    with suppress(RequestError):
        asked = parse(head + tail, str(len(head) + off))
        READER.of_tensors(asked.tensors, asked.size_bytes)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "identity", "br", None]), st.booleans())
async def test_any_packed_body_is_read_or_refused(content: bytes, coding: str | None, packed: bool) -> None:
    body = zlib.compress(content) if packed else content

    with suppress(RequestError):
        read = await read_body(parts_of(body, 7), length=None, coding=coding, max_bytes=150, timeout_s=5)
        assert len(read) <= 150
        assert read == (content if packed and coding == "deflate" else body)


@pytest.mark.parametrize(
    ("policy", "nullable", "values", "settled"),
    [
        (NonFinite.NAN_IS_MISSING, True, [nan, 1.0], [None, 1.0]),
        (NonFinite.NAN_IS_MISSING, True, [inf, 1.0], "not finite"),
        (NonFinite.NAN_IS_MISSING, False, [nan, 1.0], "is not nullable"),
        (NonFinite.MISSING, True, [nan, -inf], [None, None]),
        (NonFinite.MISSING, False, [inf, 1.0], "is not nullable"),
        (NonFinite.REFUSE, True, [nan, 1.0], "not finite"),
        (NonFinite.REFUSE, False, [1e308, 1e308], [1e308, 1e308]),
    ],
)
def test_what_is_no_number_is_what_the_column_says(
    policy: NonFinite, nullable: bool, values: list[float], settled: list[float | None] | str
) -> None:
    spec = TensorSpec(name="x", datatype=DataType.FP64, nullable=nullable, non_finite=policy)
    column = Column(spec, max_text_length=1)
    tensor = {"name": "x", "datatype": "FP64", "shape": [2], "data": encode(values, "FP64")}

    if isinstance(settled, str):
        with pytest.raises(RequestError, match=settled):
            column.of_tensor(tensor, 2)
    else:
        assert column.of_tensor(tensor, 2) == settled


def parts_of(body: bytes, size: int) -> Receive:
    """A body that comes in parts."""
    parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    return receive
