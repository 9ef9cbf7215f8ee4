"""Gradient-boosted trees: deterministic on CPU, exported to ONNX exactly.

The matrix is float32, and so is ONNX; thresholds are rounded down to float32, which leaves every comparison
``x <= threshold`` as it was.
"""

import numpy as np

from contracts.pipeline import Objective
from everloop.bundle.model import FEATURES
from everloop.bundle.rows import SCORE
from ray_jobs.fitting import Encoding
from ray_jobs.rows import Rows
from ray_jobs.trainers import Fitted, ParameterError, Parameters, Task, arrays, merged

DEFAULTS: Parameters = {
    "rounds": 500,
    "early_stopping_rounds": 30,
    "learning_rate": 0.05,
    "num_leaves": 31,
    "max_depth": -1,
    "min_data_in_leaf": 50,
    "feature_fraction": 1.0,
    "bagging_fraction": 1.0,
    "bagging_freq": 0,
    "lambda_l1": 0.0,
    "lambda_l2": 0.0,
    "max_bin": 255,
    # Sums of floats depend on how they are shared out, so the number of threads is part of the model.
    "num_threads": 1,
    "categories": "target",
    "smoothing": 50.0,
}
OPSET = 15
_OURS = ("rounds", "early_stopping_rounds", "categories", "smoothing")


def encoding(parameters: Parameters) -> Encoding:
    """Categories as smoothed label means, or in the order of their names; numbers as they are."""
    settings = merged(DEFAULTS, parameters)
    smoothing = float(settings["smoothing"])
    match settings["categories"]:
        case "target":
            return Encoding("target", smoothing=smoothing)
        case "ordinal":
            return Encoding("ordinal", smoothing=smoothing)
        case other:
            raise ParameterError(f"categories is {other!r}; expected target or ordinal")


def fit(train: Rows, validation: Rows, task: Task) -> Fitted:
    """Boost until the validation loss stops falling."""
    import lightgbm

    settings = merged(DEFAULTS, task.parameters)
    options = {
        **{name: value for name, value in settings.items() if name not in _OURS},
        "objective": "binary" if task.objective is Objective.BINARY_CLASSIFICATION else "regression",
        "metric": _metric(task.objective),
        "seed": task.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    x_NF, y_N = arrays(train.collect())  # noqa: N806 - N rows, F columns
    x_VF, y_V = arrays(validation.collect())  # noqa: N806 - V rows
    names = [column.name for column in task.preparation.columns]
    seen = lightgbm.Dataset(x_NF, y_N, feature_name=names, params=options, free_raw_data=False)
    booster = lightgbm.train(
        options,
        seen,
        num_boost_round=int(settings["rounds"]),
        valid_sets=[seen.create_valid(x_VF, y_V)],
        valid_names=["validation"],
        callbacks=[lightgbm.early_stopping(int(settings["early_stopping_rounds"]), verbose=False)],
    )
    best = float(booster.best_score["validation"][_metric(task.objective)])
    task.say(1, {f"validation_{_metric(task.objective)}": best, "rounds": float(booster.best_iteration)})
    trees = booster.model_to_string(num_iteration=booster.best_iteration)
    return Fitted(to_onnx(trees, task.objective), "cpu", trees)


def to_onnx(text: str, objective: Objective) -> bytes:
    """Convert a booster, given in LightGBM's text form, to ONNX with one input and one output.

    The same booster gives the same bytes.
    """
    import lightgbm
    from onnx import TensorProto, helper, numpy_helper
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = lightgbm.Booster(model_str=_float32_thresholds(text))
    columns = booster.num_feature()
    converted = convert_lightgbm(
        booster, initial_types=[(FEATURES, FloatTensorType([None, columns]))], zipmap=False, target_opset=OPSET
    )
    # The converter adds labels, a random graph name and a static shape of one row; only its trees are wanted.
    trees = next(node for node in converted.graph.node if node.op_type.startswith("TreeEnsemble"))
    trees.name, trees.input[0] = "trees", FEATURES
    nodes, constants = [trees], []
    if objective is Objective.BINARY_CLASSIFICATION:
        trees.output[:] = ["label", "probabilities"]
        constants = [numpy_helper.from_array(np.array(1, dtype=np.int64), "positive")]
        nodes.append(helper.make_node("Gather", ["probabilities", "positive"], [SCORE], "positive_probability", axis=1))
        shape: list[str | int] = ["rows"]
    else:
        trees.output[:] = [SCORE]
        shape = ["rows", 1]
    graph = helper.make_graph(
        nodes,
        "lightgbm",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["rows", columns])],
        [helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, shape)],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, producer_name="everloop", opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def _metric(objective: Objective) -> str:
    return "binary_logloss" if objective is Objective.BINARY_CLASSIFICATION else "l2"


def _float32_thresholds(text: str) -> str:
    return "\n".join(
        f"threshold={' '.join(_rounded_down(value) for value in line.removeprefix('threshold=').split())}"
        if line.startswith("threshold=")
        else line
        for line in text.split("\n")
        # Sizes of the trees' texts, which have changed; the reader does without.
        if not line.startswith("tree_sizes=")
    )


def _rounded_down(text: str) -> str:
    exact = float(text)
    near = np.float32(exact)
    if float(near) > exact:
        near = np.nextafter(near, np.float32(-np.inf))
    return repr(float(near))
