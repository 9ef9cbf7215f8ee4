"""What is asked, against one signature: tensors or rows in, columns out, or a refusal that names the fault.

Hand-written rather than a model class: validation runs per request, and a set of types per column costs a
hundredth of a schema's walk. Datatypes are compared, never cast: a silently cast tensor gives wrong numbers, and
an FP32 that was widened is no longer the number its sender meant.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite, isnan
from typing import Any

from contracts.bundle import DataType, Signature, TensorSpec
from contracts.pipeline import NonFinite
from services.serving.replica.binary import decode
from services.serving.replica.errors import RequestError, quoted
from services.serving.replica.question import Question

LARGEST_INT64 = 2**63 - 1
LONGEST_TEXT = 10_000

Tensor = Mapping[str, Any]
"""``name``, ``datatype``, ``shape`` and ``data``: a list of values, or their bytes."""

_NULL = type(None)
_TYPES: Mapping[DataType, frozenset[type]] = {
    DataType.BOOL: frozenset({bool}),
    DataType.INT64: frozenset({int}),
    # JSON does not tell 1 from 1.0; a JSON integer is a fine FP64.
    DataType.FP64: frozenset({float, int}),
    DataType.BYTES: frozenset({str}),
}
_JSON_NAMES: Mapping[type, str] = {
    bool: "booleans",
    int: "integers",
    float: "fractions",
    str: "strings",
    list: "lists",
    dict: "objects",
    _NULL: "null",
}


class Reader:
    """Reads questions against one signature."""

    def __init__(
        self, signature: Signature, *, event_time: str | None, max_rows: int, max_text_length: int = LONGEST_TEXT
    ) -> None:
        """Prepare the look-up tables.

        Args:
            signature: What the model is asked with.
            event_time: Name of the optional column that says when each row happened: ISO-8601 times with a
                zone (BYTES), or milliseconds since 1970 (INT64).
            max_rows: Most rows of one question.
            max_text_length: Most characters of one text.
        """
        self._columns = {spec.name: _Column(spec, max_text_length) for spec in signature.inputs}
        self.event_time = event_time
        self._max_rows = max_rows

    def of_tensors(self, tensors: Sequence[Tensor], size_bytes: int) -> Question:
        """Read one tensor per column; its shape is [rows] or [rows, 1].

        Args:
            tensors: At least one, each with a name.
            size_bytes: Of the request.

        Raises:
            RequestError: 400 with the first fault found, 413 if there are too many rows.
        """
        rows = self._bounded(_row_count(tensors[0]))
        columns: dict[str, Sequence[Any]] = {}
        event_times: list[datetime] | None = None
        for tensor in tensors:
            name = tensor["name"]
            if name in columns or (event_times is not None and name == self.event_time):
                raise RequestError(400, f"input {name!r} is there twice")
            if column := self._columns.get(name):
                columns[name] = column.of_tensor(tensor, rows)
            elif name == self.event_time:
                event_times = _event_times(_time_values(tensor, name, rows), name)
            else:
                raise self._unknown(name)
        if len(columns) != len(self._columns):
            missing = ", ".join(sorted(self._columns.keys() - columns.keys()))
            raise RequestError(400, f"inputs are missing: {missing}")
        return Question(rows, columns, event_times, size_bytes)

    def of_rows(self, rows: Sequence[Mapping[str, Any]], size_bytes: int) -> Question:
        """Read one mapping per row; a nullable column may be left out.

        Args:
            rows: Plain values by column.
            size_bytes: Of the request.

        Raises:
            RequestError: 400 with the first fault found, 413 if there are too many rows.
        """
        self._bounded(len(rows))
        known = self._columns.keys() | {self.event_time} if self.event_time else self._columns.keys()
        for row in rows:
            if not row.keys() <= known:
                raise self._unknown(next(name for name in row if name not in known))
        columns = {name: column.of_rows(rows) for name, column in self._columns.items()}
        event_times = None
        if any(self.event_time in row for row in rows):
            name = str(self.event_time)
            event_times = _event_times([row.get(name) for row in rows], name)
        return Question(len(rows), columns, event_times, size_bytes)

    def _bounded(self, rows: int) -> int:
        if rows > self._max_rows:
            raise RequestError(413, f"{rows} rows; at most {self._max_rows} are answered at once")
        return rows

    def _unknown(self, name: str) -> RequestError:
        return RequestError(400, f"unknown input {quoted(name)}; the inputs are {', '.join(self._columns)}")


class _Column:
    """One input of the signature, ready to check values."""

    __slots__ = ("allowed", "datatype", "max_text_length", "name", "non_finite", "nullable")

    def __init__(self, spec: TensorSpec, max_text_length: int) -> None:
        self.max_text_length = max_text_length
        self.name = spec.name
        self.datatype = spec.datatype.value
        self.nullable = spec.nullable
        self.non_finite = spec.non_finite
        self.allowed = _TYPES[spec.datatype] | ({_NULL} if spec.nullable else frozenset())

    def of_tensor(self, tensor: Tensor, rows: int) -> Sequence[Any]:
        if tensor.get("datatype") != self.datatype:
            given = quoted(tensor.get("datatype"))
            raise RequestError(400, f"input {self.name!r} is {self.datatype}, not {given}; tensors are never cast")
        values = _values(tensor, self.name, rows)
        if isinstance(values, list):
            return self._checked(values)
        decoded = decode(values, self.datatype, rows, self.name)
        if self.datatype == "BYTES":
            return self._short(decoded)
        return self._finite(decoded) if self.datatype == "FP64" else decoded

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        name = self.name
        if not self.nullable:
            for place, row in enumerate(rows):
                if name not in row:
                    raise RequestError(400, f"row {place} lacks {name!r}, which is not nullable")
        return self._checked([row.get(name) for row in rows])

    def _checked(self, values: list[Any]) -> Sequence[Any]:
        kinds = set(map(type, values))
        if not kinds <= self.allowed:
            raise self._strange(kinds - self.allowed)
        if self.datatype == "INT64":
            # A JSON integer below -2**63 comes as a fraction, so that only the upper end is left to check.
            if max((value for value in values if value is not None), default=0) > LARGEST_INT64:
                raise RequestError(400, f"input {self.name!r} holds a number beyond INT64")
        elif self.datatype == "FP64":
            if int in kinds:
                values = [float(value) if type(value) is int else value for value in values]
            return self._finite(values)
        elif self.datatype == "BYTES":
            return self._short(values)
        return values

    def _short(self, values: list[Any]) -> Sequence[Any]:
        if max((len(value) for value in values if value is not None), default=0) > self.max_text_length:
            raise RequestError(400, f"input {self.name!r} holds a text of more than {self.max_text_length} characters")
        return values

    def _finite(self, values: list[Any]) -> Sequence[Any]:
        """Settle what NaN and infinities are, by the column's policy; JSON has neither, bytes and gRPC have both."""
        if all(value is None or isfinite(value) for value in values):
            return values
        settled = [None if value is None or self._is_missing(value) else value for value in values]
        if not all(value is None or isfinite(value) for value in settled):
            raise RequestError(400, f"input {self.name!r} holds a number that is not finite")
        if not self.nullable and None in settled:
            raise RequestError(400, f"input {self.name!r} holds NaN, which is null, and is not nullable")
        return settled

    def _is_missing(self, value: float) -> bool:
        match self.non_finite:
            case NonFinite.REFUSE:
                return False
            case NonFinite.NAN_IS_MISSING:
                return isnan(value)
            case NonFinite.MISSING:
                return not isfinite(value)

    def _strange(self, kinds: set[type]) -> RequestError:
        if kinds == {_NULL}:
            return RequestError(400, f"input {self.name!r} holds null and is not nullable")
        names = ", ".join(sorted(_JSON_NAMES.get(kind, kind.__name__) for kind in kinds))
        return RequestError(400, f"input {self.name!r} is {self.datatype} and holds JSON {names}")


def _row_count(tensor: Tensor) -> int:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not shape or type(shape[0]) is not int or shape[0] < 1:
        raise RequestError(400, "the first input's shape does not begin with its number of rows, 1 or more")
    return shape[0]


def _values(tensor: Tensor, name: str, rows: int) -> list[Any] | bytes | memoryview:
    shape = tensor.get("shape")
    if shape != [rows] and shape != [rows, 1]:
        raise RequestError(400, f"input {name!r} has the shape {quoted(shape)}, expected [{rows}] or [{rows}, 1]")
    values = tensor.get("data")
    if isinstance(values, list):
        if len(values) != rows:
            raise RequestError(400, f"input {name!r} has {len(values)} values for the shape {shape}")
        if len(shape) == 2 and type(values[0]) is list:
            return _flat(values, name, shape)
        return values
    if isinstance(values, bytes | memoryview):
        return values
    parameters = tensor.get("parameters")
    if isinstance(parameters, dict) and "binary_data_size" in parameters:
        raise RequestError(400, f"input {name!r} is binary, and no Inference-Header-Content-Length says where it is")
    raise RequestError(400, f"input {name!r} has no list of data")


def _flat(values: list[Any], name: str, shape: list[int]) -> list[Any]:
    if not all(type(value) is list and len(value) == 1 for value in values):
        raise RequestError(400, f"input {name!r} has data that is not nested as the shape {shape}")
    return [value for (value,) in values]


def _time_values(tensor: Tensor, name: str, rows: int) -> list[Any]:
    datatype = tensor.get("datatype")
    if datatype not in (DataType.BYTES.value, DataType.INT64.value):
        raise RequestError(400, f"input {name!r} is BYTES (ISO-8601) or INT64 (milliseconds), not {quoted(datatype)}")
    values = _values(tensor, name, rows)
    if not isinstance(values, list):
        return decode(values, datatype, rows, name)
    if not set(map(type, values)) <= _TYPES[DataType(datatype)]:
        raise RequestError(400, f"input {name!r} holds no time with a zone: data that is no {datatype}")
    return values


def _event_times(values: Sequence[object], name: str) -> list[datetime]:
    try:
        return [_READ_TIME[type(value)](value) for value in values]
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


_READ_TIME: Mapping[type, Callable[[Any], datetime]] = {str: _from_iso, int: _from_milliseconds}
