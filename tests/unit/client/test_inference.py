"""Rows become tensors without a silent cast."""

import pytest

from everloop.client import RefusedError
from everloop.client.inference import Predictions, read_answer, request_body

METADATA = {
    "inputs": [
        {"name": "hour", "datatype": "INT64"},
        {"name": "miles", "datatype": "FP64"},
        {"name": "carrier", "datatype": "BYTES"},
    ]
}
ROW = {"hour": 6, "miles": 12.5, "carrier": "MQ"}


def test_rows_are_laid_out_by_column() -> None:
    body = request_body([ROW, {"hour": 7.0, "miles": 3, "carrier": None}], METADATA)

    assert {tensor["name"]: tensor["data"] for tensor in body["inputs"]} == {
        "hour": [6, 7],
        "miles": [12.5, 3.0],
        "carrier": ["MQ", None],
    }
    assert {tuple(tensor["shape"]) for tensor in body["inputs"]} == {(2,)}


def test_a_fraction_is_left_for_the_model_to_refuse() -> None:
    body = request_body([{**ROW, "hour": 6.5}], METADATA)

    assert body["inputs"][0]["data"] == [6.5]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_word_for_is_refused_before_it_is_sent(value: float) -> None:
    with pytest.raises(RefusedError, match="send null if it is missing"):
        request_body([{**ROW, "miles": value}], METADATA)


def test_the_event_time_travels_beside_the_inputs_if_named() -> None:
    row = {**ROW, "at": "2013-01-01T00:00:00Z"}

    assert request_body([row], METADATA, extra=("at",))["inputs"][-1]["name"] == "at"
    with pytest.raises(RefusedError, match="does not know at"):
        request_body([row], METADATA)


@pytest.mark.parametrize(("rows", "said"), [([], "no row"), ([{"hour": 1}], "lack carrier, miles")])
def test_rows_that_do_not_fit_are_refused(rows: list[dict[str, object]], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        request_body(rows, METADATA)  # type: ignore[arg-type]


def test_an_answer_is_read() -> None:
    answer = {
        "model_name": "m",
        "model_version": "3",
        "outputs": [{"name": "score", "data": [0.5]}, {"name": "prediction_id", "data": ["p-0"]}],
    }

    assert read_answer(answer) == Predictions("m", 3, [0.5], ["p-0"])
