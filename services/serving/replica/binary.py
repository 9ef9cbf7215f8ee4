"""Tensors as bytes, little-endian and row by row: the protocol's binary extension, and gRPC's raw contents.

Fixed-width values are numpy's to read and write. A string is its length in four bytes and its UTF-8.
"""

import struct
from collections.abc import Sequence

import numpy as np

from contracts.bundle import DataType
from services.serving.replica.errors import RequestError

_LENGTH = struct.Struct("<I")
_WIDE = {DataType.INT64.value: np.dtype("<i8"), DataType.FP64.value: np.dtype("<f8")}


def decode(raw: bytes | memoryview, datatype: str, rows: int, name: str) -> list[bool] | list[int] | list[str]:
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
    wide = _WIDE.get(datatype)
    expected = rows * (wide.itemsize if wide else 1)
    if len(raw) != expected:
        raise RequestError(400, f"input {name!r} has {len(raw)} bytes; {rows} of {datatype} are {expected}")
    if wide:
        values: list[int] = np.frombuffer(raw, wide).tolist()
        return values
    flags = np.frombuffer(raw, np.uint8)
    if (flags > 1).any():
        raise RequestError(400, f"input {name!r} is BOOL and holds bytes other than 0 and 1")
    booleans: list[bool] = flags.astype(np.bool_).tolist()
    return booleans


def encode(values: Sequence[float] | Sequence[str], datatype: str) -> bytes:
    """Write the values of one FP64 or BYTES tensor."""
    if datatype == DataType.FP64:
        return np.asarray(values, _WIDE[datatype]).tobytes()
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
