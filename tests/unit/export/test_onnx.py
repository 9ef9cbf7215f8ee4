import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from everloop.export import ExportError
from everloop.export.onnx import _answers


def identity(rows: str | int) -> onnxruntime.InferenceSession:
    """A model that answers what it is asked, and says so many rows of it."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["features"], ["score"])],
        "identity",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 1])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [rows, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_null_is_nan() -> None:
    np.testing.assert_array_equal(_answers(identity("rows"), [[1.5], [None]]), [1.5, np.nan])


def test_a_model_that_says_how_many_rows_it_answers_is_not_exported() -> None:
    with pytest.raises(ExportError, match="score has 1 rows; it must say any"):
        _answers(identity(1), [[1.5], [2.5]])
