"""Named columns into the tensors that an ONNX file takes, whoever made it, and its answer as one number a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.bundle import DataType, TensorSpec
from everloop.bundle.manifest import BundleError
from everloop.bundle.rows import InputError

Columns = Mapping[str, Sequence[object]]
Tensors = dict[str, NDArray[Any]]
Feed = Callable[[Columns], Tensors]

_ELEMENTS: Mapping[str, type] = {
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(string)": np.object_,
}
_HELD: Mapping[DataType, type] = {
    DataType.BOOL: np.bool_,
    DataType.INT64: np.int64,
    DataType.FP64: np.float64,
    DataType.BYTES: np.object_,
}
_GIVEN = {DataType.BOOL: "b", DataType.INT64: "iu", DataType.FP64: "fiu", DataType.BYTES: "U"}
"""Kinds of arrays that values of a type make; those with something missing are arrays of objects."""
_FITS = {DataType.BOOL: "bfi", DataType.INT64: "fi", DataType.FP64: "f", DataType.BYTES: "O"}
"""Kinds of elements that can hold every value of a type; numbers may be rounded, as MLflow does."""


def feeding(taken: Sequence[Any], specs: Sequence[TensorSpec]) -> Feed:
    """Find how columns are handed over: as one matrix, in the signature's order, or each to the input of its name.

    Args:
        taken: Inputs of an inference session.
        specs: The signature's.

    Raises:
        BundleError: The file does not take what the signature says.
    """
    for one in taken:
        if one.type not in _ELEMENTS or len(one.shape) not in (1, 2):
            raise _unfit(f"its input {one.name} is {one.type} of the shape {one.shape}")
        if isinstance(one.shape[0], int):
            raise _unfit(f"its input {one.name} takes exactly {one.shape[0]} rows at once, not any number")
    names = {spec.name for spec in specs}
    if {one.name for one in taken} == names:
        by_name = {one.name: one for one in taken}
        parts = [(spec, *_vector(by_name[spec.name], spec)) for spec in specs]
        return lambda columns: {
            spec.name: _array(columns[spec.name], spec).astype(kind).reshape(shape) for spec, kind, shape in parts
        }
    if len(taken) != 1:
        raise _unfit(f"it takes {', '.join(one.name for one in taken)}; its signature has {', '.join(sorted(names))}")
    return _matrix(taken[0], specs)


def matrix_of(specs: Sequence[TensorSpec]) -> Callable[[Columns], NDArray[np.float64]]:
    """Lay columns side by side in the signature's order, as float64; what is missing is NaN.

    Raises:
        BundleError: A column is text, which is no number.
    """
    if texts := [spec.name for spec in specs if spec.datatype is DataType.BYTES]:
        raise _unfit(f"its column {texts[0]} is text, and its trees take numbers")
    return lambda columns: np.column_stack([_array(columns[spec.name], spec).astype(np.float64) for spec in specs])


def scores_of(outputs: Sequence[Any], rows: int) -> NDArray[np.float64]:
    """Read one number a row from what a session answered: its only output, or of a binary classifier's label and
    probabilities the probability of the second class.

    Raises:
        BundleError: It answers otherwise.
    """
    *labels, answer = outputs
    if isinstance(answer, list) and len(answer) == rows and all(isinstance(one, dict) for one in answer):
        # What scikit-learn's converter makes of probabilities unless told otherwise: a mapping by class for each row.
        answer = [[one[key] for key in sorted(one)] for one in answer]
    found = np.asarray(answer)
    if found.dtype.kind in "fiub" and len(labels) <= 1:
        if len(labels) == 1 and found.shape == (rows, 2):
            return found[:, 1].astype(np.float64)
        if not labels and found.shape in ((rows,), (rows, 1)):
            return found.reshape(-1).astype(np.float64)
    shapes = " and ".join(str(list(np.shape(one))) for one in outputs)
    raise BundleError("unfit", f"it answers {rows} rows with {shapes}, and a service answers one number a row")


def _vector(taken: Any, spec: TensorSpec) -> tuple[type, tuple[int, ...]]:
    if len(taken.shape) == 2 and isinstance(taken.shape[1], int) and taken.shape[1] != 1:
        raise _unfit(f"its input {taken.name} takes {taken.shape[1]} columns")
    return _element(taken, spec), (-1,) if len(taken.shape) == 1 else (-1, 1)


def _matrix(taken: Any, specs: Sequence[TensorSpec]) -> Feed:
    width = taken.shape[1] if len(taken.shape) == 2 else 1
    if isinstance(width, int) and width != len(specs):
        raise _unfit(f"its input {taken.name} takes {width} columns; its signature has {len(specs)}")
    kind = {_element(taken, spec) for spec in specs}.pop()

    def feed(columns: Columns) -> Tensors:
        arrays = [_array(columns[spec.name], spec) for spec in specs]
        if len(taken.shape) == 1:
            return {taken.name: arrays[0].astype(kind)}
        matrix: NDArray[Any] = np.empty((len(arrays[0]), len(specs)), dtype=kind)
        for place, array in enumerate(arrays):
            matrix[:, place] = array
        return {taken.name: matrix}

    return feed


def _element(taken: Any, spec: TensorSpec) -> type:
    kind = _ELEMENTS[taken.type]
    if np.dtype(kind).kind not in _FITS[spec.datatype]:
        raise _unfit(f"its input {taken.name} is {taken.type}; its signature says {spec.name} is {spec.datatype.value}")
    if spec.nullable and np.dtype(kind).kind != "f":
        raise _unfit(f"its signature lets {spec.name} be missing, and {taken.type} has nothing for that")
    return kind


def _array(values: Sequence[object], spec: TensorSpec) -> NDArray[Any]:
    """Read a column; what is missing is NaN.

    Raises:
        InputError: A value is of another type, or missing where it must not be.
    """
    found = np.asarray(values)
    if found.dtype.kind == "O":
        if None in values and not spec.nullable:
            raise InputError(f"{spec.name}: null, and the column is not nullable")
    elif found.dtype.kind not in _GIVEN[spec.datatype]:
        raise InputError(f"{spec.name}: expected {spec.datatype.value}, got {found.dtype}")
    try:
        held = _HELD[DataType.FP64] if spec.nullable and spec.datatype is not DataType.BYTES else _HELD[spec.datatype]
        return found.astype(held)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{spec.name}: expected {spec.datatype.value}: {error}") from error


def _unfit(why: str) -> BundleError:
    return BundleError("unfit", why)
