"""When the rows of a question happened: ISO-8601 with a zone, or milliseconds since 1970."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.bundle import DataType
from services.serving.replica.binary import decode
from services.serving.replica.columns import TYPES, Tensor, values_of
from services.serving.replica.errors import RequestError, quoted


def times_of_tensor(tensor: Tensor, name: str, rows: int) -> list[datetime]:
    """Read a tensor of times; raises RequestError."""
    datatype = tensor.get("datatype")
    if datatype not in (DataType.BYTES.value, DataType.INT64.value):
        raise RequestError(400, f"input {name!r} is BYTES (ISO-8601) or INT64 (milliseconds), not {quoted(datatype)}")
    values = values_of(tensor, name, rows)
    if not isinstance(values, list):
        return times(decode(values, datatype, rows, name), name)
    if not set(map(type, values)) <= TYPES[DataType(datatype)]:
        raise RequestError(400, f"input {name!r} holds no time with a zone: data that is no {datatype}")
    return times(values, name)


def times(values: Sequence[object], name: str) -> list[datetime]:
    """Read times in either form; raises RequestError."""
    try:
        return [_READ[type(value)](value) for value in values]
    except KeyError as error:
        raise RequestError(400, f"input {name!r} is ISO-8601 with a zone, or integer milliseconds") from error
    except (ValueError, OverflowError, OSError) as error:
        raise RequestError(400, f"input {name!r} holds no time with a zone: {str(error)[:100]}") from error


def _from_iso(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{quoted(value)} has no zone")
    return time.astimezone(UTC)


def _from_milliseconds(value: Any) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


_READ: Mapping[type, Callable[[Any], datetime]] = {str: _from_iso, int: _from_milliseconds}
