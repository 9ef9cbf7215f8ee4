"""Rows of plain values to Open Inference Protocol requests, and answers back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from everloop.client.errors import RefusedError

Value = bool | int | float | str | None
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each of the model's columns added to each row's score."""

    method: str
    unit: str
    """``log_odds`` or ``score``; attributions add up in it."""
    base_value: float
    """Where every row starts."""
    attributions: Sequence[Mapping[str, float]]
    """By column of the model, one mapping per row."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered, one entry per row."""

    model: str
    version: int
    scores: Sequence[float]
    prediction_ids: Sequence[str]
    explanation: Explanation | None = None
    """Where one was asked for."""


def request_body(rows: Sequence[Row], metadata: Mapping[str, Any], *, extra: Sequence[str] = ()) -> dict[str, Any]:
    """Lay rows out as tensors.

    Args:
        rows: One mapping per row, at least one.
        metadata: What ``GET /v2/models/{model}`` answered.
        extra: Further columns the rows may carry as text, such as the event time.

    Raises:
        RefusedError: A row lacks an input or has one the model does not know.
    """
    if not rows:
        raise RefusedError("there is no row to predict")
    datatypes = {spec["name"]: spec["datatype"] for spec in metadata["inputs"]}
    given = {name for row in rows for name in row}
    if missing := datatypes.keys() - given:
        raise RefusedError(f"rows lack {', '.join(sorted(missing))}; the model asks for {', '.join(datatypes)}")
    optional = {name: "BYTES" for name in extra if name in given}
    if unknown := given - datatypes.keys() - optional.keys():
        raise RefusedError(f"the model does not know {', '.join(sorted(unknown))}; it asks for {', '.join(datatypes)}")
    return {
        "inputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": [len(rows)],
                "data": [as_datatype(row.get(name), datatype) for row in rows],
            }
            for name, datatype in (datatypes | optional).items()
        ]
    }


def as_datatype(value: Value, datatype: str) -> Value:
    """Write a value the way its tensor wants it where nothing is lost; leave others for the model to refuse.

    Raises:
        RefusedError: It is NaN or an infinity.
    """
    if value is None:
        return None
    if isinstance(value, float) and not isfinite(value):
        raise RefusedError(f"a value is {value}, for which JSON has no word; send null if it is missing")
    match datatype:
        case "INT64" if isinstance(value, float) and value.is_integer():
            return int(value)
        case "FP64" if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        case "BYTES" if not isinstance(value, str):
            return str(value)
    return value


def read_predictions(answer: Mapping[str, Any], *, model: str) -> Predictions:
    """Read the answer to rows that were asked as objects, or the result of a queued request."""
    rows = answer["predictions"]
    scores, ids = [row["score"] for row in rows], [row["prediction_id"] for row in rows]
    said = answer.get("explanation")
    explanation = said and Explanation(
        said["method"], said["unit"], said["base_value"], [row["attributions"] for row in rows]
    )
    return Predictions(model, int(answer["version"]), scores, ids, explanation)


def read_answer(answer: Mapping[str, Any]) -> Predictions:
    """Read an inference response."""
    outputs = {output["name"]: output for output in answer["outputs"]}
    return Predictions(
        answer["model_name"],
        int(answer["model_version"]),
        outputs["score"]["data"],
        outputs["prediction_id"]["data"] if "prediction_id" in outputs else (),
        _explanation(outputs["attributions"]) if "attributions" in outputs else None,
    )


def _explanation(tensor: Mapping[str, Any]) -> Explanation:
    said, values = tensor["parameters"], tensor["data"]
    names = said["features"].split(",")
    rows = [values[start : start + len(names)] for start in range(0, len(values), len(names))]
    return Explanation(
        said["method"],
        said["unit"],
        said["base_value"],
        [dict(zip(names, row, strict=True)) for row in rows],
    )
