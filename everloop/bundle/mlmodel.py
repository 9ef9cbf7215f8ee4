"""What an MLmodel file says of a model: which file it is, what it is asked with, and an example of that."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.bundle import DataType, ModelFormat, TensorSpec
from everloop.bundle.manifest import BundleError

Example = dict[str, tuple[bool | int | float | str | None, ...]]

ONNX = "onnx"
LIGHTGBM = "lightgbm"
ANY_PYTHON = "python_function"
PICKLES = frozenset({"catboost", "lightgbm", "pmdarima", "prophet", "pytorch", "sklearn", "spacy", "statsmodels"})
"""Flavors whose files are pickles, or may be."""
MOST_COLUMNS = 2000
MOST_EXAMPLES = 32
_COLUMNS = {
    "boolean": DataType.BOOL,
    "integer": DataType.INT64,
    "long": DataType.INT64,
    "float": DataType.FP64,
    "double": DataType.FP64,
    "string": DataType.BYTES,
}
_ELEMENTS = (
    (r"bool", DataType.BOOL),
    (r"u?int(8|16|32)|int64", DataType.INT64),
    (r"float(16|32|64)", DataType.FP64),
    (r"str|object", DataType.BYTES),
)


def model_file(described: Mapping[str, Any]) -> tuple[str, ModelFormat]:
    """Name the file that a service can load, and how it is read.

    Args:
        described: An MLmodel file, read.

    Raises:
        BundleError: There is none; the error says what to do.
    """
    flavors = described.get("flavors") or {}
    if ONNX in flavors:
        return str(flavors[ONNX].get("data") or "model.onnx"), ModelFormat.ONNX
    # Whatever scikit-learn's interface wraps is a pickle; a bare booster is text.
    if (trees := str((flavors.get(LIGHTGBM) or {}).get("data"))).endswith(".lgb"):
        return trees, ModelFormat.LIGHTGBM
    named = sorted(flavors.keys() - {ANY_PYTHON})
    if not named:
        raise BundleError("unfit", "a python_function is Python code, which no service loads; log it as ONNX")
    if pickled := PICKLES.intersection(named):
        raise BundleError("unfit", f"{min(pickled)} models are pickles, which no service loads; log it as ONNX")
    raise BundleError("unfit", f"no service loads the flavor {named[0]}; log it as ONNX")


def inputs_of(described: Mapping[str, Any], first: str) -> tuple[TensorSpec, ...]:
    """Read what a model is asked with, column by column. A tensor of several columns is as many columns.

    Args:
        described: An MLmodel file, read.
        first: What the model file calls its first input; names a tensor that the signature does not.

    Raises:
        BundleError: There is no signature, or it has what no row of a service holds.
    """
    signature = described.get("signature") or {}
    if not signature.get("inputs"):
        raise BundleError("unfit", "it was logged without a signature, so nobody can tell what to ask it; log one")
    specs = [spec for given in json.loads(signature["inputs"]) for spec in _specs(given, first)]
    if len(specs) > MOST_COLUMNS:
        raise BundleError("unfit", f"it takes {len(specs)} columns, and a service takes {MOST_COLUMNS} at most")
    if len({spec.name for spec in specs}) != len(specs):
        raise BundleError("unfit", "two columns of its signature have the same name")
    return tuple(specs)


def example_of(logged: Any, inputs: Sequence[TensorSpec]) -> Example | None:
    """Read rows from an input example as MLflow's clients leave it for servers; None if they are not the signature's.

    Args:
        logged: ``{"dataframe_split": …}``, ``{"dataframe_records": …}`` or ``{"inputs": …}``.
        inputs: The signature's.
    """
    names = [spec.name for spec in inputs]
    try:
        rows = _rows(logged, names)
    except (TypeError, ValueError):
        return None
    values = [value for row in rows for value in row.values()]
    if any(row.keys() != {*names} for row in rows) or any(isinstance(value, list | dict) for value in values):
        return None
    return {name: tuple(row[name] for row in rows[:MOST_EXAMPLES]) for name in names} if rows else None


def made_up(inputs: Sequence[TensorSpec]) -> Example:
    """Make two rows of nothing in particular, where no example was logged."""
    nothing: Mapping[DataType, bool | int | float | str] = {
        DataType.BOOL: False,
        DataType.INT64: 0,
        DataType.FP64: 0.0,
        DataType.BYTES: "",
    }
    return {spec.name: (nothing[spec.datatype],) * 2 for spec in inputs}


def _specs(given: Mapping[str, Any], first: str) -> list[TensorSpec]:
    name = str(given.get("name") or first)
    if given.get("type") != "tensor":
        datatype = _COLUMNS.get(str(given.get("type")))
        if datatype is None:
            raise BundleError("unfit", f"its column {name} is {given.get('type')}, which a row of a service can't hold")
        return [TensorSpec(name=name, datatype=datatype, nullable=not given.get("required", True))]
    tensor = given["tensor-spec"]
    datatype = next((kind for like, kind in _ELEMENTS if re.fullmatch(like, str(tensor["dtype"]))), None)
    shape = tensor["shape"]
    if datatype is None or len(shape) not in (1, 2) or shape[0] != -1 or -1 in shape[1:]:
        raise BundleError("unfit", f"its tensor {name} is {tensor['dtype']} of the shape {shape}; a service takes rows")
    if len(shape) == 1 or shape[1] == 1:
        return [TensorSpec(name=name, datatype=datatype)]
    return [TensorSpec(name=f"{name}_{place}", datatype=datatype) for place in range(min(shape[1], MOST_COLUMNS + 1))]


def _rows(logged: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    match logged:
        case {"dataframe_split": {"columns": [*columns], "data": [*rows]}}:
            return [dict(zip(columns, row, strict=True)) for row in rows]
        case {"dataframe_records": [*rows]}:
            return [dict(row) for row in rows]
        case {"inputs": [*rows]}:
            return [dict(zip(names, _flat(row), strict=True)) for row in rows]
        case {"inputs": dict(tensors)}:
            return [
                dict(zip(tensors, (value for cell in row for value in _flat(cell)), strict=True))
                for row in zip(*tensors.values(), strict=True)
            ]
    return []


def _flat(row: Any) -> list[Any]:
    return row if isinstance(row, list) else [row]
