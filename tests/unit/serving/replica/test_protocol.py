"""Requests are read as they are meant or refused; nothing is cast."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bundle import DataType, ModelFormat, Signature, TensorSpec
from services.serving.replica.errors import RequestError
from services.serving.replica.protocol import model_metadata, parse, render
from services.serving.replica.question import Answer, Question
from services.serving.replica.reading import Reader

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="distance", datatype=DataType.FP64),
        TensorSpec(name="hour", datatype=DataType.INT64, nullable=True),
        TensorSpec(name="carrier", datatype=DataType.BYTES),
        TensorSpec(name="weekend", datatype=DataType.BOOL),
    ),
    outputs=(TensorSpec(name="score", datatype=DataType.FP64),),
)
READER = Reader(SIGNATURE, event_time="scheduled_at", max_rows=100)


def test_rows_come_out_as_columns() -> None:
    asked = read()

    assert asked.rows == 2
    assert asked.columns == {
        "distance": [1.5, 2],
        "hour": [None, 7],
        "carrier": ["UA", "DL"],
        "weekend": [True, False],
    }
    assert asked.event_times is None


def test_event_times_are_taken_in_both_forms() -> None:
    iso = tensor("scheduled_at", "BYTES", ["2013-01-01T05:15:00-05:00", "2013-01-01T10:15:00Z"])
    milliseconds = tensor("scheduled_at", "INT64", [1357035300000, 1357035300000])
    expected = [datetime(2013, 1, 1, 10, 15, tzinfo=UTC)] * 2

    assert read(scheduled_at=iso).event_times == expected
    assert read(scheduled_at=milliseconds).event_times == expected


def test_outputs_and_id_are_the_callers_choice() -> None:
    asked = parse(body(inputs(), outputs=[{"name": "score"}], id="mine"))

    content, json_length = render(asked, Answer(3, [0.25, 0.5], ["a", "b"], datetime.now(UTC)), model="m")

    assert json_length is None
    assert orjson.loads(content) == {
        "model_name": "m",
        "model_version": "3",
        "id": "mine",
        "outputs": [{"name": "score", "datatype": "FP64", "shape": [2], "data": [0.25, 0.5]}],
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"distance": None}, "inputs are missing: distance"),
        ({"speed": {"name": "speed"}}, "unknown input 'speed'"),
        ({"distance": {"datatype": "FP32"}}, "input 'distance' is FP64, not 'FP32'; tensors are never cast"),
        ({"hour": {"datatype": "INT32"}}, "input 'hour' is INT64, not 'INT32'"),
        ({"hour": {"data": [1, 2.0]}}, "input 'hour' is INT64 and holds JSON fractions"),
        ({"hour": {"data": [1, True]}}, "input 'hour' is INT64 and holds JSON booleans"),
        ({"hour": {"data": [1, 2**63]}}, "input 'hour' holds a number beyond INT64"),
        ({"weekend": {"data": [0, 1]}}, "input 'weekend' is BOOL and holds JSON integers"),
        ({"carrier": {"data": ["UA", None]}}, "input 'carrier' holds null and is not nullable"),
        ({"carrier": {"data": [["UA"], ["DL"]]}}, "input 'carrier' is BYTES and holds JSON lists"),
        ({"carrier": {"shape": [1, 2]}}, "input 'carrier' has the shape [1, 2], expected [2] or [2, 1]"),
        ({"carrier": {"data": ["UA"]}}, "input 'carrier' has 1 values for the shape [2]"),
        ({"distance": {"shape": [0], "data": []}}, "number of rows, 1 or more"),
        ({"distance": {"shape": [True], "data": [1.0]}}, "number of rows, 1 or more"),
        ({"carrier": {"data": None, "parameters": {"binary_data_size": 4}}}, "input 'carrier' is binary"),
        ({"scheduled_at": {"datatype": "BYTES", "data": ["2013-01-01T05:15:00"] * 2}}, "no time with a zone"),
        ({"scheduled_at": {"datatype": "FP64", "data": [1.0, 2.0]}}, "BYTES (ISO-8601) or INT64"),
        ({"scheduled_at": {"datatype": [], "data": [1.0, 2.0]}}, "BYTES (ISO-8601) or INT64"),
        ({"scheduled_at": {"datatype": "INT64", "data": [10**18, 1]}}, "no time with a zone"),
    ],
)
def test_faults_are_named(changed: dict[str, dict[str, Any] | None], said: str) -> None:
    tensors = {one["name"]: one for one in inputs()}
    for name, change in changed.items():
        if change is None:
            del tensors[name]
        else:
            tensors[name] = {"name": name, "shape": [2], **tensors.get(name, {}), **change}

    with pytest.raises(RequestError) as caught:
        ask(body(list(tensors.values())))

    assert caught.value.status == 400
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"inputs": {}}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"name": 3}]}',
        b'{"inputs": [{"name": "distance", "data": NaN}]}',
        b"\xff\xfe",
    ],
)
def test_nonsense_is_refused(nonsense: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        ask(nonsense)

    assert caught.value.status == 400


def test_same_input_twice_is_refused() -> None:
    with pytest.raises(RequestError, match="is there twice"):
        ask(body([*inputs(), inputs()[0]]))


def test_unknown_output_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown output 'label'"):
        ask(body(inputs(), outputs=[{"name": "label"}]))


def test_too_many_rows_are_too_large() -> None:
    with pytest.raises(RequestError) as caught:
        ask(body([tensor(one["name"], one["datatype"], one["data"] * 51) for one in inputs()]))

    assert caught.value.status == 413


KEYS = st.sampled_from(["inputs", "outputs", "id", "name", "shape", "data", "datatype"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(JSON | st.builds(lambda tensors: {"inputs": tensors}, st.lists(st.dictionaries(KEYS, JSON), max_size=3)))
def test_any_json_is_answered_or_refused_but_never_breaks(content: Any) -> None:
    with suppress(RequestError):
        ask(orjson.dumps(content))


def test_metadata_tells_what_to_ask() -> None:
    described = model_metadata("flights", (1, 2), SIGNATURE)
    trees = model_metadata("flights", (1, 2), SIGNATURE, ModelFormat.LIGHTGBM)

    assert (described["platform"], trees["platform"]) == ("onnx_onnxv1", "lightgbm")
    assert described["versions"] == ["1", "2"]
    assert described["inputs"][0] == {"name": "distance", "datatype": "FP64", "shape": [-1]}
    assert [one["name"] for one in described["outputs"]] == ["score", "prediction_id"]


def ask(content: bytes) -> Question:
    asked = parse(content)
    return READER.of_tensors(asked.tensors, asked.size_bytes)


def read(**more: dict[str, Any]) -> Question:
    return ask(body([*inputs(), *more.values()]))


def inputs() -> list[dict[str, Any]]:
    return [
        tensor("distance", "FP64", [1.5, 2]),
        tensor("hour", "INT64", [None, 7]),
        tensor("carrier", "BYTES", ["UA", "DL"]),
        tensor("weekend", "BOOL", [True, False]),
    ]


def tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def body(tensors: list[dict[str, Any]], **more: Any) -> bytes:
    return orjson.dumps({"inputs": tensors, **more}, option=orjson.OPT_NON_STR_KEYS)
