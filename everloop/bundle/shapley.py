"""Shapley values of any model, by walking from background rows to the row that is explained.

A walk turns a background row into the row, one column at a time in a random order; what each step changes in the
score is put down to its column. The mean over walks estimates the Shapley value of every column (Castro, Gómez and
Tejada 2009; Štrumbelj and Kononenko 2014), and since every walk goes all the way, the sum is the score less the mean
score of the background, exactly, however few walks there are.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ScoreMatrix = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Scores prepared rows: shape (n, columns) to (n,)."""

SEED = 17
"""Of the orders. The same for every model and row: what differs between two explanations is not chance."""


class SampledShapley:
    """A model's attributions, each background row walked from in a random order and in its reverse.

    Walking both ways cancels what a column's place in the order gives it, which for models whose columns act in
    pairs at most leaves no sampling error of the orders at all (Mitchell et al. 2022).
    """

    # W walks (two per background row), F columns
    def __init__(self, score: ScoreMatrix, background_BF: NDArray[np.float32]) -> None:  # noqa: N803
        """Draw the orders.

        Args:
            score: The model.
            background_BF: Prepared rows to start from, shape (rows, columns).
        """
        rows, columns = background_BF.shape
        chance = np.random.default_rng(SEED)
        forth = np.argsort(chance.random((rows, columns)), axis=1)
        self._order_WF = np.concatenate([forth, forth[:, ::-1]])
        self._start_WF = np.concatenate([background_BF, background_BF])
        # Step s of a walk holds the row's own value in the first s + 1 columns of its order; the last step is the row.
        places_WF = np.argsort(self._order_WF, axis=1)  # noqa: N806
        self._own_WSF = places_WF[:, None, :] <= np.arange(columns - 1)[:, None]
        self._score = score
        self._start_score_W = np.tile(score(background_BF), 2)
        self.base_value = float(self._start_score_W.mean())

    def __call__(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the attributions of prepared rows, shape (n, columns)."""
        return np.stack([self._walk(row, score) for row, score in zip(matrix, self._score(matrix), strict=True)])

    def _walk(self, row_F: NDArray[np.float32], score: np.float64) -> NDArray[np.float64]:  # noqa: N803
        walks, columns = self._order_WF.shape
        steps_WSF = np.where(self._own_WSF, row_F, self._start_WF[:, None, :])  # noqa: N806
        scores = np.empty((walks, columns + 1))
        scores[:, 0], scores[:, -1] = self._start_score_W, score
        if columns > 1:
            scores[:, 1:-1] = self._score(steps_WSF.reshape(-1, columns)).reshape(walks, columns - 1)
        added_WF = np.empty((walks, columns))  # noqa: N806
        np.put_along_axis(added_WF, self._order_WF, np.diff(scores, axis=1), axis=1)
        means: NDArray[np.float64] = added_WF.mean(axis=0)
        return means
