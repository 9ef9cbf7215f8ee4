"""One column of a question: values that are what the signature says, or a refusal that names the fault.

Hand-written rather than a model class: validation runs per request, and a set of types per column costs a
hundredth of a schema's walk. Datatypes are compared, never cast: a silently cast tensor gives wrong numbers, and
an FP32 that was widened is no longer the number its sender meant.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from typing import Any

from contracts.bundle import DataType, TensorSpec
from contracts.pipeline import NonFinite
from services.serving.replica.binary import decode
from services.serving.replica.errors import RequestError, quoted

LARGEST_INT64 = 2**63 - 1

Tensor = Mapping[str, Any]
"""``name``, ``datatype``, ``shape`` and ``data``: a list of values, or their bytes."""

_NULL = type(None)
_NO_NULL: frozenset[type] = frozenset()
TYPES: Mapping[DataType, frozenset[type]] = {
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


class Column:
    """One input of a signature, ready to check values."""

    __slots__ = ("_allowed", "_datatype", "_max_text_length", "_name", "_non_finite", "_nullable", "_settle")

    def __init__(self, spec: TensorSpec, *, max_text_length: int) -> None:
        self._name = spec.name
        self._datatype = spec.datatype.value
        self._nullable = spec.nullable
        self._non_finite = spec.non_finite
        self._allowed = TYPES[spec.datatype] | ({_NULL} if spec.nullable else _NO_NULL)
        self._max_text_length = max_text_length
        settle: Mapping[DataType, Callable[[list[Any], set[type] | frozenset[type]], list[Any]]] = {
            DataType.BOOL: lambda values, _: values,
            DataType.INT64: self._integers,
            DataType.FP64: self._numbers,
            DataType.BYTES: self._texts,
        }
        self._settle = settle[spec.datatype]

    def of_tensor(self, tensor: Tensor, rows: int) -> list[Any]:
        """Take the values of a tensor; raises RequestError."""
        if tensor.get("datatype") != self._datatype:
            given = quoted(tensor.get("datatype"))
            raise RequestError(400, f"input {self._name!r} is {self._datatype}, not {given}; tensors are never cast")
        values = values_of(tensor, self._name, rows)
        if isinstance(values, list):
            return self._checked(values)
        return self._settle(decode(values, self._datatype, rows, self._name), _NO_NULL)

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Take this column out of rows; raises RequestError."""
        name = self._name
        try:
            values = [row[name] for row in rows]
        except KeyError:
            if not self._nullable:
                place = next(place for place, row in enumerate(rows) if name not in row)
                raise RequestError(400, f"row {place} lacks {name!r}, which is not nullable") from None
            values = [row.get(name) for row in rows]
        return self._checked(values)

    def _checked(self, values: list[Any]) -> list[Any]:
        kinds = set(map(type, values))
        if not kinds <= self._allowed:
            raise self._strange(kinds - self._allowed)
        return self._settle(values, kinds)

    def _integers(self, values: list[Any], kinds: set[type] | frozenset[type]) -> list[Any]:
        # A JSON integer below -2**63 comes as a fraction, so that only the upper end is left to check.
        if max(_present(values, kinds), default=0) > LARGEST_INT64:
            raise RequestError(400, f"input {self._name!r} holds a number beyond INT64")
        return values

    def _numbers(self, values: list[Any], kinds: set[type] | frozenset[type]) -> list[Any]:
        if int in kinds:
            values = [float(value) if type(value) is int else value for value in values]
        # The sum of finite numbers can be infinite, but not the other way round: then each is looked at.
        return values if isfinite(sum(_present(values, kinds))) else self._finite(values)

    def _texts(self, values: list[Any], kinds: set[type] | frozenset[type]) -> list[Any]:
        most = self._max_text_length
        if max(map(len, _present(values, kinds)), default=0) > most:
            raise RequestError(400, f"input {self._name!r} holds a text of more than {most} characters")
        return values

    def _finite(self, values: list[Any]) -> list[Any]:
        """Settle what NaN and infinities are, by the column's policy; JSON has neither, bytes and gRPC have both."""
        settled = [None if value is None or self._is_missing(value) else value for value in values]
        if not all(value is None or isfinite(value) for value in settled):
            raise RequestError(400, f"input {self._name!r} holds a number that is not finite")
        if not self._nullable and None in settled:
            raise RequestError(400, f"input {self._name!r} holds NaN, which is null, and is not nullable")
        return settled

    def _is_missing(self, value: float) -> bool:
        match self._non_finite:
            case NonFinite.REFUSE:
                return False
            case NonFinite.NAN_IS_MISSING:
                return isnan(value)
            case NonFinite.MISSING:
                return not isfinite(value)

    def _strange(self, kinds: set[type]) -> RequestError:
        if kinds == {_NULL}:
            return RequestError(400, f"input {self._name!r} holds null and is not nullable")
        names = ", ".join(sorted(_JSON_NAMES.get(kind, kind.__name__) for kind in kinds))
        return RequestError(400, f"input {self._name!r} is {self._datatype} and holds JSON {names}")


def values_of(tensor: Tensor, name: str, rows: int) -> list[Any] | bytes | memoryview:
    """Take the data out of a tensor that has the shape [rows] or [rows, 1].

    Raises:
        RequestError: 400 if its shape is another, or its data is not what the shape says.
    """
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


def _present(values: list[Any], kinds: set[type] | frozenset[type]) -> list[Any]:
    return [value for value in values if value is not None] if _NULL in kinds else values
