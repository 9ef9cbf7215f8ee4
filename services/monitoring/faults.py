"""Whether a window holds what there hardly ever was: new categories, missing values, rare ones.

Cells that expect a handful of rows have no place in a sum of squares, so each has an exact test: of the rows found in
a cell, the share that is the window's is binomial if nothing changed. Rows of one day are not independent, so the exact
p-value is only a measure of surprise that makes cells and features comparable; as for drift, the window alarms if
hardly any block before it is as surprising beside the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from contracts.monitoring import FeatureShift
from contracts.profile import CategoryCells
from services.monitoring.counting import BoolArray, Feature, FloatArray, IntArray
from services.monitoring.drift import FEW_ROWS, SHIFTS_KEPT, Bounds, DriftOutcome, DriftVerdict, unjudged

MOST_SURPRISING = 300.0
"""Of -log10(p): a double holds no smaller p."""
UNSEEN, MISSING, RARE = "unseen", "missing", "rare"


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One cell of a feature, or its rare ones together: rows of the blocks, and of the window."""

    feature: str
    name: str
    blocks: IntArray
    window: int


def cells_of(feature: Feature, blocks: IntArray, window: IntArray) -> list[Cell]:
    """Lay out the cells of a feature that have a test of their own.

    Args:
        feature: Says which cells are which.
        blocks: Rows per block and cell, shape (blocks, cells).
        window: Rows per cell, shape (cells,).
    """
    own = {MISSING: len(window) - 1}
    if isinstance(feature.cells, CategoryCells):
        own[UNSEEN] = len(window) - 2
    others = [place for place in range(len(window)) if place not in own.values()]
    total = max(int(blocks.sum()), 1)
    rare = [place for place in others if blocks[:, place].sum() / total * window.sum() < FEW_ROWS]
    cells = [Cell(feature.name, name, blocks[:, place], int(window[place])) for name, place in own.items()]
    return [*cells, Cell(feature.name, RARE, blocks[:, rare].sum(axis=1), int(window[rare].sum()))]


def judge_faults(cells: Sequence[Cell], block_rows: IntArray, rows: int, bounds: Bounds) -> DriftVerdict:
    """Judge one window by the cell that surprises most.

    Args:
        cells: Of all features.
        block_rows: Rows per block, shape (blocks,).
        rows: Rows of the window.
        bounds: What is stated and asked; the effect is Cohen's h.
    """
    usable = block_rows >= bounds.min_rows
    verdict = unjudged(rows, block_rows[usable], bounds)
    if verdict.outcome is not DriftOutcome.QUIET or not cells:
        return verdict
    sizes = np.append(block_rows[usable], rows)
    surprises = np.column_stack([surprise(np.append(cell.blocks[usable], cell.window), sizes) for cell in cells])
    largest = surprises.max(axis=1)
    p = float((largest >= largest[-1]).mean())
    shifts = sorted(
        (_shift(cell, usable, sizes, float(found)) for cell, found in zip(cells, surprises[-1], strict=True)),
        key=lambda shift: shift.score,
        reverse=True,
    )
    allowed = int(bounds.false_alarm_rate * len(sizes) + 1e-9)
    # Where nothing of the kind happens in any block, the first row would top them all; chance has its say as well.
    by_chance = float(np.log10(len(cells) / bounds.false_alarm_rate))
    threshold = max(float(np.sort(largest[:-1])[-allowed]), by_chance) if allowed else None
    outcome = DriftOutcome.QUIET
    if not allowed:
        outcome = DriftOutcome.TOO_FEW_BLOCKS
    elif p <= bounds.false_alarm_rate and largest[-1] >= by_chance:
        outcome = DriftOutcome.ALARM if shifts[0].effect >= bounds.min_effect else DriftOutcome.SMALL_EFFECT
    return verdict.model_copy(
        update={
            "outcome": outcome,
            "p": p,
            "statistic": float(largest[-1]),
            "threshold": threshold,
            "effect": shifts[0].effect,
            "shifts": tuple(shifts[:SHIFTS_KEPT]),
        }
    )


def surprise(found: IntArray, sizes: IntArray) -> FloatArray:
    """Give each block's -log10 of the exact p-value that it has so many rows in a cell beside all others.

    Args:
        found: Rows in the cell per block, shape (blocks,).
        sizes: All rows per block, shape (blocks,).
    """
    tail = np.where(found > 0, bdtrc(found - 1.0, int(found.sum()), sizes / max(int(sizes.sum()), 1)), 1.0)
    return np.asarray(np.minimum(-np.log10(np.maximum(tail, 10**-MOST_SURPRISING)), MOST_SURPRISING), np.float64)


def _shift(cell: Cell, usable: BoolArray, sizes: IntArray, score: float) -> FeatureShift:
    share, usual = cell.window / sizes[-1], float(cell.blocks[usable].sum() / max(int(sizes[:-1].sum()), 1))
    effect = 2 * (np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(usual)))
    return FeatureShift(
        feature=cell.feature,
        effect=max(float(effect), 0.0),
        score=score,
        cell=cell.name,
        share=share,
        usual_share=usual,
    )
