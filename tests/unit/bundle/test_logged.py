"""What MLflow's clients logged: which of it can be asked, and how."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, save_model

from contracts.bundle import DataType, ModelFormat, TensorSpec
from contracts.packing import PackingReport, PackingSpec
from everloop.bundle.logged import LoggedModel, LoggedScorer, load_any
from everloop.bundle.manifest import BundleError, read_manifest
from everloop.bundle.mlmodel import example_of, inputs_of, model_file
from everloop.bundle.packing import pack
from everloop.bundle.rows import InputError

NUMBER, WHOLE = DataType.FP64, DataType.INT64
FLOAT, LONG = TensorProto.FLOAT, TensorProto.INT64
TENSOR = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]'
COLUMNS = '[{"type": "double", "name": "a b"}, {"type": "long", "name": "c", "required": false}]'
ROWS = {"a": [1.0, 2.0], "b": [3, 4]}


def specs(*names: str, datatype: DataType = NUMBER, nullable: bool = False) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name=name, datatype=datatype, nullable=nullable) for name in names)


def model(
    inputs: dict[str, tuple[int, list[Any]]], nodes: Sequence[Any], outputs: dict[str, tuple[int, list[Any]]]
) -> ModelProto:
    def declared(tensors: dict[str, tuple[int, list[Any]]]) -> list[Any]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in tensors.items()]

    graph = helper.make_graph(nodes, "test", declared(inputs), declared(outputs))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def summing(shape: list[Any]) -> ModelProto:
    """Add up a matrix's columns."""
    node = helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1)
    made = model({"x": (FLOAT, shape)}, [node], {"sum": (FLOAT, [shape[0], 1])})
    made.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    return made


def classifier(classes: int) -> ModelProto:
    """Answer a label, and a probability for each class, as converters of classifiers do."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
    ]
    outputs = {"label": (LONG, ["n"]), "probabilities": (FLOAT, ["n", classes])}
    return model({"x": (FLOAT, ["n", classes])}, nodes, outputs)


COUNTING = model({"x": (LONG, ["n"])}, [helper.make_node("Identity", ["x"], ["count"])], {"count": (LONG, ["n"])})


def test_columns_become_one_matrix_in_the_signatures_order() -> None:
    scorer = LoggedScorer(summing(["n", 2]).SerializeToString(), specs("a", "b"))

    assert scorer(ROWS).tolist() == [4.0, 6.0]
    with pytest.raises(InputError, match="a: expected FP64"):
        scorer({"a": ["1", "2"], "b": [1, 2]})
    with pytest.raises(InputError, match="b: null"):
        scorer({"a": [1, 2], "b": [1, None]})
    with pytest.raises(InputError, match="the inputs are a, b"):
        scorer({"a": [1, 2]})


def test_each_column_goes_to_the_input_of_its_name() -> None:
    node = helper.make_node("Sub", ["b", "a"], ["difference"])
    inputs = {"a": (FLOAT, ["n"]), "b": (FLOAT, ["n"])}
    made = model(inputs, [node], {"difference": (FLOAT, ["n"])})

    assert LoggedScorer(made.SerializeToString(), specs("a", "b"))(ROWS).tolist() == [2.0, 2.0]


def test_missing_numbers_are_not_a_number() -> None:
    scorer = LoggedScorer(summing(["n", 1]).SerializeToString(), specs("a", nullable=True))

    assert np.isnan(scorer({"a": [None, 1.0]})).tolist() == [True, False]


def test_of_two_classes_the_second_one_s_probability_is_the_score() -> None:
    scores = LoggedScorer(classifier(2).SerializeToString(), specs("a", "b"))({"a": [0.0], "b": [0.0]})

    assert scores.tolist() == [0.5]


@pytest.mark.parametrize(
    ("made", "columns", "why"),
    [
        (summing(["n", 3]), specs("a", "b"), "takes 3 columns; its signature has 2"),
        (summing([4, 2]), specs("a", "b"), "takes exactly 4 rows at once"),
        (summing(["n", 2]), specs("a", "b", datatype=DataType.BYTES), r"is tensor\(float\); its signature says a is"),
        (classifier(3), specs("a", "b", "c"), "a service answers one number a row"),
        (COUNTING, specs("x", datatype=WHOLE, nullable=True), "has nothing for that"),
    ],
)
def test_what_a_service_can_t_ask_is_refused(made: ModelProto, columns: tuple[TensorSpec, ...], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        LoggedScorer(made.SerializeToString(), columns)({spec.name: [1.0, 2.0] for spec in columns})


def test_signatures_of_columns_and_of_tensors_are_read() -> None:
    columns = inputs_of({"signature": {"inputs": COLUMNS}}, "x")

    assert [(one.name, one.datatype, one.nullable) for one in columns] == [("a b", NUMBER, False), ("c", WHOLE, True)]
    assert inputs_of({"signature": {"inputs": TENSOR}}, "x") == specs("x_0", "x_1")
    for unfit in ('[{"type": "datetime", "name": "at"}]', TENSOR.replace("[-1, 2]", "[-1, 3, 32, 32]"), ""):
        with pytest.raises(BundleError, match=r"service can't hold|takes rows|without a signature"):
            inputs_of({"signature": {"inputs": unfit}}, "x")


def test_examples_are_read_in_every_form_or_left() -> None:
    inputs = specs("a", "b")
    found = {"a": (1.0, 2.0), "b": (3, 4)}

    for logged in (
        {"dataframe_split": {"columns": ["b", "a"], "data": [[3, 1.0], [4, 2.0]]}},
        {"dataframe_records": [{"a": 1.0, "b": 3}, {"a": 2.0, "b": 4}]},
        {"inputs": [[1.0, 3], [2.0, 4]]},
        {"inputs": {"a": [1.0, 2.0], "b": [[3], [4]]}},
    ):
        assert example_of(logged, inputs) == found
    for other in (None, {"inputs": [[1.0]]}, {"dataframe_split": {"columns": ["a"], "data": [[1.0]]}}, {"inputs": []}):
        assert example_of(other, inputs) is None


@pytest.mark.parametrize(
    ("flavors", "why"),
    [
        (["sklearn", "python_function"], "sklearn models are pickles, which no service loads; log it as ONNX"),
        (["python_function"], "a python_function is Python code, which no service loads"),
        (["keras"], "no service loads the flavor keras"),
    ],
)
def test_flavors_that_no_service_loads_are_told(flavors: list[str], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        model_file({"flavors": {flavor: {} for flavor in flavors}})


def packed(directory: Path, made: ModelProto, described: str) -> PackingReport:
    """Pack a model whose weights lie beside it, as MLflow's clients leave them."""
    files = directory / "files"
    files.mkdir()
    save_model(made, str(files / "model.onnx"), save_as_external_data=True, size_threshold=0, location="weights")
    (files / "MLmodel").write_text(described)
    return pack(PackingSpec(files_uri=str(files), bundles_uri=str(directory / "logged"), source="models:/m-1"))


def test_a_model_whose_weights_lie_beside_it_is_packed_in_one_piece(tmp_path: Path) -> None:
    described = f"flavors: {{onnx: {{data: model.onnx}}}}\nsignature: {{inputs: '{TENSOR}'}}\n"

    report = packed(tmp_path, summing(["n", 2]), described)

    assert report.bundle_uri
    assert report.bundle_digest
    loaded = load_any(report.bundle_uri, report.bundle_digest)
    assert isinstance(loaded, LoggedModel)
    assert loaded.predict({"x_0": [1.0], "x_1": [2.0]}).tolist() == [3.0]
    assert {file.path for file in loaded.manifest.logged.files} == {"MLmodel", "model.onnx", "weights"}
    assert loaded.check_golden(0.0) == 0.0
    with pytest.raises(BundleError, match="can't be built again"):
        read_manifest(report.bundle_uri, report.bundle_digest)


@pytest.mark.parametrize(
    ("described", "why"),
    [
        ("flavors: {onnx: {data: other.onnx}}", "names other.onnx, which was not logged"),
        ("flavors: {onnx: {data: MLmodel}}", "can't be read as ONNX"),
        ("flavors: {onnx: {data: model.onnx}}", "without a signature"),
        ("[", "can't be read"),
    ],
)
def test_what_can_t_be_packed_is_told(tmp_path: Path, described: str, why: str) -> None:
    report = packed(tmp_path, summing(["n", 2]), described)

    assert report.bundle_uri is None
    assert why in str(report.obstacle)


def boosted(classes: int = 2, **columns: Any) -> tuple[lightgbm.Booster, dict[str, Any]]:
    """Train a few trees; gives the rows, too."""
    rng = np.random.default_rng(7)
    rows = {"a": rng.normal(size=200), "b": rng.normal(size=200), **columns}
    objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    data = lightgbm.Dataset(pd.DataFrame(rows), rng.integers(0, classes, 200), free_raw_data=False)
    return lightgbm.train({**objective, "verbose": -1, "min_data_in_leaf": 5}, data, num_boost_round=3), rows


def test_lightgbm_s_own_text_answers_as_the_booster_does(tmp_path: Path) -> None:
    booster, rows = boosted()
    booster.save_model(tmp_path / "model.lgb")
    columns = [{"type": "double", "name": name} for name in ("a", "b")]
    described = {
        "flavors": {"lightgbm": {"data": "model.lgb"}, "python_function": {}},
        "signature": {"inputs": json.dumps(columns)},
    }
    (tmp_path / "MLmodel").write_text(json.dumps(described))

    report = pack(PackingSpec(files_uri=str(tmp_path), bundles_uri=str(tmp_path / "logged"), source="models:/m-1"))

    assert report.bundle_uri, report.obstacle
    loaded = load_any(report.bundle_uri, report.bundle_digest)
    asked = {name: values.tolist() for name, values in rows.items()}
    assert loaded.predict(asked).tolist() == booster.predict(pd.DataFrame(rows)).tolist()
    assert {file.path for file in loaded.manifest.files} == {"MLmodel", "card.md", "model.lgb"}


@pytest.mark.parametrize(
    ("booster", "columns", "why"),
    [
        (boosted()[0], specs("a"), "take 2 columns; its signature has 1"),
        (boosted()[0], specs("a", "b", datatype=DataType.BYTES), "column a is text"),
        (boosted(3)[0], specs("a", "b"), "a service answers one number a row"),
        (boosted(c=pd.Categorical(["x", "y"] * 100))[0], specs("a", "b", "c"), "know categories of a data frame"),
    ],
)
def test_trees_that_a_service_can_t_ask_are_refused(
    booster: lightgbm.Booster, columns: tuple[TensorSpec, ...], why: str
) -> None:
    text = booster.model_to_string().encode()
    with pytest.raises(BundleError, match=why):
        LoggedScorer(text, columns, ModelFormat.LIGHTGBM)({spec.name: [1.0, 2.0] for spec in columns})
