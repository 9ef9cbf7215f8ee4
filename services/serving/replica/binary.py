"""Tensors as bytes, little-endian and row by row: the protocol's binary extension, and gRPC's raw contents.

A string is its length in four bytes and its UTF-8. Values come out as plain ones: a request has few, for which
``struct`` takes half of numpy's time, and the prediction log wants them so.
"""

import struct
from collections.abc import Sequence
from typing import Any

from contracts.bundle import DataType
from services.serving.replica.errors import RequestError

_LENGTH = struct.Struct("<I")
_FIXED = {DataType.BOOL.value: ("?", 1), DataType.INT64.value: ("q", 8), DataType.FP64.value: ("d", 8)}


def decode(raw: bytes | memoryview, datatype: str, rows: int, name: str) -> list[Any]:
    """Read the values of one tensor; FP64 can hold NaN and infinities.

    Args:
        raw: All bytes of the tensor and no more.
        datatype: One that signatures use.
        rows: How many values there must be.
        name: The tensor's, for the error.

    Raises:
        RequestError: 400 if bytes and rows do not add up or values are not of the datatype.
    """
    if datatype == DataType.BYTES:
        return _strings(raw, rows, name)
    code, width = _FIXED[datatype]
    if len(raw) != rows * width:
        raise RequestError(400, f"input {name!r} has {len(raw)} bytes; {rows} of {datatype} are {rows * width}")
    if datatype == DataType.BOOL and max(raw) > 1:
        raise RequestError(400, f"input {name!r} is BOOL and holds bytes other than 0 and 1")
    return list(struct.unpack(f"<{rows}{code}", raw))


def encode(values: Sequence[float] | Sequence[str], datatype: str) -> bytes:
    """Write the values of one FP64 or BYTES tensor."""
    if datatype == DataType.FP64:
        return struct.pack(f"<{len(values)}d", *values)
    parts: list[bytes] = []
    for text in map(str, values):
        encoded = text.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded)
    return b"".join(parts)


def _strings(raw: bytes | memoryview, rows: int, name: str) -> list[str]:
    values = []
    place, end = 0, len(raw)
    try:
        for _ in range(rows):
            (length,) = _LENGTH.unpack_from(raw, place)
            start, place = place + _LENGTH.size, place + _LENGTH.size + length
            if place > end:
                raise RequestError(400, f"input {name!r} says a string has {length} bytes; {end - start} are left")
            values.append(str(raw[start:place], "utf-8"))
    except struct.error as error:
        raise RequestError(400, f"input {name!r} has {len(values)} strings in its bytes, expected {rows}") from error
    except UnicodeDecodeError as error:
        raise RequestError(400, f"input {name!r} holds a string that is not UTF-8") from error
    if place != end:
        raise RequestError(400, f"input {name!r} has {end - place} bytes after its {rows} strings")
    return values
