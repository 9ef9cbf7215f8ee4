"""Rows of plain values to Open Inference Protocol requests, and answers back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everloop.client.errors import RefusedError

Value = bool | int | float | str | None
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered, one entry per row."""

    model: str
    version: int
    scores: Sequence[float]
    prediction_ids: Sequence[str]


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
    """Write a value the way its tensor wants it where nothing is lost; leave others for the model to refuse."""
    if value is None:
        return None
    match datatype:
        case "INT64" if isinstance(value, float) and value.is_integer():
            return int(value)
        case "FP64" if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        case "BYTES" if not isinstance(value, str):
            return str(value)
    return value


def read_answer(answer: Mapping[str, Any]) -> Predictions:
    """Read an inference response."""
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    return Predictions(
        answer["model_name"], int(answer["model_version"]), outputs["score"], outputs.get("prediction_id", ())
    )
