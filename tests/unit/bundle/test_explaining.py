"""Trees are explained exactly, anything else by sampling, and nothing that does not add up is given away."""

import sys
from functools import cache

import lightgbm
import numpy as np
import onnxruntime
import pytest

from contracts.bundle import AttributionUnit, Background, ExplanationMethod, NumericColumn, OptionalFile, Preparation
from contracts.pipeline import Objective
from everloop.bundle.explaining import importance, make_explainer
from everloop.bundle.manifest import BundleError, canonical
from everloop.bundle.shapley import ScoreMatrix
from ray_jobs.trainers.lightgbm import to_onnx

COLUMNS = 5
PREPARATION = Preparation(columns=tuple(NumericColumn(name=f"c{place}") for place in range(COLUMNS)))
CHANCE = np.random.default_rng(11)
X = CHANCE.normal(size=(1000, COLUMNS)).astype(np.float32)
X[CHANCE.random(X.shape) < 0.05] = np.nan
FILLED = np.nan_to_num(X)
Y = 2 * FILLED[:, 0] - FILLED[:, 1] * FILLED[:, 2] + CHANCE.normal(size=len(X))


@cache
def trees(objective: Objective, rounds: int = 60) -> tuple[dict[str, bytes], ScoreMatrix]:
    """Train; give the bundle's file and the model that answers."""
    binary = objective is Objective.BINARY_CLASSIFICATION
    options = {"objective": "binary" if binary else "regression", "verbose": -1, "num_threads": 1, "seed": 3}
    booster = lightgbm.train(options, lightgbm.Dataset(X, Y > 0 if binary else Y), num_boost_round=rounds)
    text = booster.model_to_string()
    session = onnxruntime.InferenceSession(to_onnx(text, objective))

    def score(matrix: np.ndarray) -> np.ndarray:
        (answer,) = session.run(["score"], {"features": matrix})
        return np.asarray(answer, dtype=np.float64).reshape(-1)

    return {OptionalFile.TREES.value: text.encode()}, score


@pytest.mark.parametrize("objective", Objective)
def test_trees_are_explained_exactly_in_their_own_unit(objective: Objective) -> None:
    files, score = trees(objective)
    binary = objective is Objective.BINARY_CLASSIFICATION

    found = make_explainer(files, objective, PREPARATION, score)(X[:200])

    booster = lightgbm.Booster(model_str=files[OptionalFile.TREES].decode())
    sums = found.base_value + found.values.sum(axis=1)
    np.testing.assert_allclose(sums, booster.predict(X[:200], raw_score=True), rtol=0, atol=1e-9)
    np.testing.assert_allclose(1 / (1 + np.exp(-sums)) if binary else sums, score(X[:200]), atol=1e-5)
    assert found.unit is (AttributionUnit.LOG_ODDS if binary else AttributionUnit.SCORE)
    assert found.method is ExplanationMethod.TREE_SHAP
    assert found.features == ("c0", "c1", "c2", "c3", "c4")


def test_a_row_is_explained_alone_as_among_others() -> None:
    files, score = trees(Objective.REGRESSION)
    explain = make_explainer(files, Objective.REGRESSION, PREPARATION, score)

    alone = np.concatenate([explain(X[place : place + 1]).values for place in range(20)])

    np.testing.assert_array_equal(alone, explain(X[:20]).values)


def test_another_model_is_explained_from_its_background() -> None:
    _, score = trees(Objective.BINARY_CLASSIFICATION)
    rows = tuple(tuple(None if np.isnan(x) else float(x) for x in row) for row in X[:40])
    background = {OptionalFile.BACKGROUND.value: canonical(Background(rows=rows))}

    found = make_explainer(background, Objective.BINARY_CLASSIFICATION, PREPARATION, score)(X[100:120])

    assert (found.method, found.unit) == (ExplanationMethod.SAMPLED_SHAPLEY, AttributionUnit.SCORE)
    assert found.base_value == pytest.approx(score(X[:40]).mean())
    np.testing.assert_allclose(found.base_value + found.values.sum(axis=1), score(X[100:120]), atol=1e-9)


def test_attributions_of_another_model_are_refused() -> None:
    _, score = trees(Objective.REGRESSION)
    older, _ = trees(Objective.REGRESSION, rounds=59)

    with pytest.raises(BundleError, match="attributions miss the score by"):
        make_explainer(older, Objective.REGRESSION, PREPARATION, score)(X[:50])


def test_a_bundle_of_before_says_what_to_do() -> None:
    with pytest.raises(BundleError, match="train the model again"):
        make_explainer({}, Objective.REGRESSION, PREPARATION, lambda matrix: matrix[:, 0])


def test_trees_without_lightgbm_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    files, score = trees(Objective.REGRESSION, rounds=1)
    monkeypatch.setitem(sys.modules, "lightgbm", None)

    with pytest.raises(BundleError, match=r"pip install 'everloop\[explain\]'"):
        make_explainer(files, Objective.REGRESSION, PREPARATION, score)


def test_importance_ranks_what_the_label_was_made_of_first() -> None:
    files, score = trees(Objective.REGRESSION)

    found = importance(make_explainer(files, Objective.REGRESSION, PREPARATION, score)(X[:300]))

    ranked = [one.name for one in found.features]
    assert ranked[0] == "c0"
    assert set(ranked[1:3]) == {"c1", "c2"}
    assert found.rows == 300
