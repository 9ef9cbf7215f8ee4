"""Why a model answered as it did: what each of its columns added to a row's score, summing to that score.

A bundle holds what its model is explained with: the trees themselves, or background rows for any other model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.bundle import (
    AttributionUnit,
    Background,
    ExplanationMethod,
    FeatureImportance,
    Importance,
    OptionalFile,
    Preparation,
)
from contracts.pipeline import Objective
from everloop.bundle.manifest import BundleError
from everloop.bundle.shapley import SampledShapley, ScoreMatrix

SUM_TOLERANCE = 1e-9
"""Largest error of a sum of attributions, relative to the answer; both sides are float64."""
SCORE_TOLERANCE = 1e-5
"""Largest distance of the score that attributions add up to from the one answered, which ONNX computes in float32;
relative where scores are larger than 1."""


@dataclass(frozen=True, slots=True)
class Attributions:
    """What each model column added to the score of each of n rows."""

    method: ExplanationMethod
    unit: AttributionUnit
    features: tuple[str, ...]
    """The model's columns: what the pipeline's feature function gave, in the matrix's order."""
    base_value: float
    """Where every row starts: the model's mean answer, in the unit."""
    values: NDArray[np.float64]
    """Shape (n, number of features), in the unit."""


class Explainer(Protocol):
    """Finds attributions."""

    def __call__(self, matrix: NDArray[np.float32]) -> Attributions:
        """Explain prepared rows, shape (n, columns). Takes milliseconds a row; the same row has the same attributions,
        alone or among others.

        Raises:
            BundleError: They do not add up to the score.
        """


class TreeExplainer:
    """Exact Shapley values of boosted trees (TreeSHAP, as LightGBM has it), in the trees' own unit."""

    def __init__(self, trees: str, objective: Objective, features: tuple[str, ...], score: ScoreMatrix) -> None:
        """Read the trees.

        Args:
            trees: The booster in LightGBM's text form.
            objective: Decides the unit: log-odds for a probability, the label's for a value.
            features: The model's columns.
            score: The model that answers requests; attributions are held against it.

        Raises:
            BundleError: LightGBM is not installed.
        """
        try:
            import lightgbm
        except ImportError as error:
            raise BundleError("lightgbm_missing", "it explains trees; pip install 'everloop[explain]'") from error
        self._booster = lightgbm.Booster(model_str=trees)
        self._binary = objective is Objective.BINARY_CLASSIFICATION
        self._features = features
        self._score = score

    def __call__(self, matrix: NDArray[np.float32]) -> Attributions:
        """Explain prepared rows."""
        # One thread, as for scores: rows share a replica's processor with requests.
        found = self._booster.predict(matrix, pred_contrib=True, num_threads=1)
        margin = self._booster.predict(matrix, raw_score=True, num_threads=1)
        _same("margin", found.sum(axis=1), margin, SUM_TOLERANCE)
        _same("score", 1 / (1 + np.exp(-margin)) if self._binary else margin, self._score(matrix), SCORE_TOLERANCE)
        unit = AttributionUnit.LOG_ODDS if self._binary else AttributionUnit.SCORE
        return Attributions(ExplanationMethod.TREE_SHAP, unit, self._features, float(found[0, -1]), found[:, :-1])


class SampledExplainer:
    """Sampled Shapley values of any model, in the score's unit, measured from background rows."""

    def __init__(self, background: Background, features: tuple[str, ...], score: ScoreMatrix) -> None:
        rows = np.array(background.rows, dtype=np.float32)
        self._shapley = SampledShapley(score, rows)
        self._features = features
        self._score = score

    def __call__(self, matrix: NDArray[np.float32]) -> Attributions:
        """Explain prepared rows."""
        values, base = self._shapley(matrix), self._shapley.base_value
        _same("score", base + values.sum(axis=1), self._score(matrix), SUM_TOLERANCE)
        return Attributions(ExplanationMethod.SAMPLED_SHAPLEY, AttributionUnit.SCORE, self._features, base, values)


def make_explainer(
    files: Mapping[str, bytes], objective: Objective, preparation: Preparation, score: ScoreMatrix
) -> Explainer:
    """Make what a bundle's files allow.

    Args:
        files: The bundle's files, by name.
        objective: Of the model.
        preparation: Names the model's columns.
        score: The model.

    Raises:
        BundleError: The bundle is from before there were explanations, or LightGBM is not installed.
    """
    features = tuple(column.name for column in preparation.columns)
    if (trees := files.get(OptionalFile.TREES)) is not None:
        return TreeExplainer(trees.decode(), objective, features, score)
    if (background := files.get(OptionalFile.BACKGROUND)) is not None:
        return SampledExplainer(Background.model_validate_json(background), features, score)
    raise BundleError("not_explained", "the bundle holds nothing to explain its model with; train the model again")


def importance(attributions: Attributions) -> Importance:
    """Reduce attributions of many rows to how much each column matters."""
    means = np.abs(attributions.values).mean(axis=0)
    ranked = sorted(zip(attributions.features, means.tolist(), strict=True), key=lambda one: (-one[1], one[0]))
    return Importance(
        method=attributions.method,
        unit=attributions.unit,
        rows=len(attributions.values),
        base_value=attributions.base_value,
        features=tuple(FeatureImportance(name=name, mean_absolute=mean) for name, mean in ranked),
    )


def _same(what: str, found: NDArray[np.float64], expected: NDArray[np.float64], tolerance: float) -> None:
    difference = float(np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))))
    if not difference <= tolerance:
        detail = f"attributions miss the {what} by {difference:g}, allowed {tolerance:g}"
        raise BundleError("explanation_mismatch", detail)
