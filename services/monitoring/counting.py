"""Rows counted in cells that were frozen from a version's reference.

The counts of all features, and of the score last, lie one after another in one vector, so that windows merge
by adding vectors, whatever the order in which their rows arrive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.profile import CategoryCells, FeatureReference, NumericCells, Reference

Value = bool | int | float | str | None
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One feature's cells and its place in the vector of counts."""

    name: str
    cells: NumericCells | CategoryCells
    place: slice
    block_counts: IntArray
    """Rows per block and cell, shape (blocks, cells)."""
    _edges: FloatArray
    _cell_of: Mapping[Value, int]

    def locate(self, values: Sequence[Value]) -> IntArray:
        """Find the cell of each value, counted from 0 within this feature."""
        if isinstance(self.cells, NumericCells):
            numbers = as_numbers(values)
            found = np.searchsorted(self._edges, numbers, side="right")
            return np.where(np.isnan(numbers), len(self._edges) + 1, found)
        find, unseen = self._cell_of.get, len(self.cells.values) + 1
        return np.array([find(value, unseen) for value in values], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A version's reference, laid out for counting. Compared by identity: build it once per version."""

    reference: Reference
    inputs: tuple[Feature, ...] = field(init=False)
    score: Feature = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        features, start = [], 0
        for described in (*self.reference.inputs, self.reference.score):
            feature = _lay_out(described, start)
            features.append(feature)
            start = feature.place.stop
        object.__setattr__(self, "inputs", tuple(features[:-1]))
        object.__setattr__(self, "score", features[-1])
        object.__setattr__(self, "width", start)

    def count(
        self, columns: Mapping[str, Sequence[Value]], scores: Sequence[float], groups: IntArray, n_groups: int
    ) -> IntArray:
        """Count rows by group.

        Args:
            columns: Inputs by feature, one entry per row; a feature that is not there is missing in every row.
            scores: What was answered, one per row.
            groups: The group of each row, from 0; shape (rows,).
            n_groups: How many groups there are.

        Returns:
            Rows per group and cell, shape (n_groups, width).
        """
        counts = np.zeros((n_groups, self.width), np.int64)
        nothing: Sequence[Value] = (None,) * len(scores)
        for feature in (*self.inputs, self.score):
            values = scores if feature is self.score else columns.get(feature.name, nothing)
            cells = feature.place.stop - feature.place.start
            flat = np.bincount(groups * cells + feature.locate(values), minlength=n_groups * cells)
            counts[:, feature.place] = flat.reshape(n_groups, cells)
        return counts


def as_numbers(values: Sequence[Value]) -> FloatArray:
    """Read values as numbers; what is missing or no number is NaN."""
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError):
        return np.array([_as_number(value) for value in values], np.float64)


def _as_number(value: Value) -> float:
    try:
        return float("nan") if value is None else float(value)
    except ValueError:
        return float("nan")


def _lay_out(described: FeatureReference, start: int) -> Feature:
    cells = described.cells
    numeric = isinstance(cells, NumericCells)
    size = len(cells.edges) + 2 if isinstance(cells, NumericCells) else len(cells.values) + 3
    cell_of: dict[Value, int] = {}
    if isinstance(cells, CategoryCells):
        other, unseen, missing = (len(cells.values) + place for place in range(3))
        cell_of.update(dict.fromkeys(cells.others, other))
        cell_of.update({value: cell for cell, value in enumerate(cells.values)})
        # The reference was counted after Arrow had cast truth values to strings.
        cell_of |= {None: missing, True: cell_of.get("true", unseen), False: cell_of.get("false", unseen)}
    return Feature(
        name=described.name,
        cells=cells,
        place=slice(start, start + size),
        block_counts=np.array(described.block_counts, np.int64).reshape(-1, size),
        _edges=np.array(cells.edges if numeric and isinstance(cells, NumericCells) else (), np.float64),
        _cell_of=cell_of,
    )
