"""Whether a window differs from the reference more than the reference's own blocks of time differ.

Rows of one day are not independent, so a test on rows alarms on every day that has weather of its own. Here the
unit is the block: the window joins the reference's blocks, every one of them is compared with all the others, and
the window alarms if hardly any block is as unlike the rest as it is. Under no drift window and blocks can be
exchanged, so the share of false alarms is at most the stated rate, whatever the features and their dependence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from contracts.model import Contract
from contracts.monitoring import FeatureShift
from services.monitoring.counting import BoolArray, FloatArray, IntArray

FEW_ROWS = 10
"""Cells that expect fewer rows share one cell; its share is taken as at least this many rows, since the square
of a small count over a smaller expectation is noise."""
LEAST_SPREAD = 1e-4
"""Of squared effects. A feature that is the same in all blocks must not make every trifle infinite."""
SHIFTS_KEPT = 10


class DriftOutcome(StrEnum):
    """What can be said of a window."""

    QUIET = "quiet"
    ALARM = "alarm"
    SMALL_EFFECT = "small_effect"
    TOO_FEW_ROWS = "too_few_rows"
    TOO_FEW_BLOCKS = "too_few_blocks"


class DriftVerdict(Contract):
    """What a detector said of one window, and on what grounds."""

    outcome: DriftOutcome
    rows: int
    blocks: int
    false_alarm_rate: float
    finest_rate: float
    """The smallest rate that can be promised with these blocks."""
    p: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    """The statistic has to be larger to alarm; unset where no statistic could."""
    effect: float | None = None
    """Largest of the features' effects."""
    shifts: tuple[FeatureShift, ...] = ()
    reference_rows: int | None = None
    """Rows of the blocks."""
    past_rows: int | None = None
    """Rows of the windows before this one that ``recent`` went by."""
    recent: "DriftVerdict | None" = None
    """The same against the days before the window instead of the training data: whether something broke."""
    faults: "DriftVerdict | None" = None
    """Of new categories and of missing and rare values, beside all that was before; its effects are Cohen's h."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a detector states, and what it does not look at."""

    false_alarm_rate: float
    """Stated rate per window."""
    min_effect: float
    """Has to be reached by some feature."""
    min_rows: int
    """Windows and blocks with fewer are not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One feature's rows per cell: of the reference's blocks, and of the window."""

    feature: str
    blocks: IntArray
    window: IntArray


def unjudged(rows: int, block_rows: IntArray, bounds: Bounds) -> DriftVerdict:
    """Begin a verdict: quiet, unless there is too little to judge by.

    Args:
        rows: Of the window.
        block_rows: Rows of the blocks that are looked at, shape (blocks,).
        bounds: What is stated.
    """
    outcome = DriftOutcome.QUIET if len(block_rows) >= 2 else DriftOutcome.TOO_FEW_BLOCKS
    return DriftVerdict(
        outcome=DriftOutcome.TOO_FEW_ROWS if rows < bounds.min_rows else outcome,
        rows=rows,
        blocks=len(block_rows),
        false_alarm_rate=bounds.false_alarm_rate,
        finest_rate=1 / (len(block_rows) + 1),
        reference_rows=int(block_rows.sum()),
    )


def judge_drift(comparisons: Sequence[Comparison], bounds: Bounds) -> DriftVerdict:
    """Judge one window by the feature that moved most.

    Args:
        comparisons: The features; all count the same rows in the same blocks.
        bounds: What is stated and asked; the effect is Cohen's w.
    """
    rows = int(comparisons[0].window.sum()) if comparisons else 0
    block_rows = comparisons[0].blocks.sum(axis=1) if comparisons else np.zeros(0, np.int64)
    usable = block_rows >= bounds.min_rows
    verdict, blocks = unjudged(rows, block_rows[usable], bounds), int(usable.sum())
    if verdict.outcome is not DriftOutcome.QUIET:
        return verdict

    scores = np.empty((blocks + 1, len(comparisons)))
    for column, comparison in enumerate(comparisons):
        counts = np.vstack([comparison.blocks[usable], comparison.window])
        scores[:, column] = standardise(*squared_effects(counts))
    largest = scores.max(axis=1)
    p = float((largest >= largest[-1]).mean())
    shifts = _largest_shifts(comparisons, usable, scores[-1])
    effect = max(shift.effect for shift in shifts)
    allowed = int(bounds.false_alarm_rate * (blocks + 1) + 1e-9)

    outcome = DriftOutcome.QUIET
    if not allowed:
        outcome = DriftOutcome.TOO_FEW_BLOCKS
    elif p <= bounds.false_alarm_rate:
        outcome = DriftOutcome.ALARM if effect >= bounds.min_effect else DriftOutcome.SMALL_EFFECT
    return verdict.model_copy(
        update={
            "outcome": outcome,
            "p": p,
            "statistic": float(largest[-1]),
            "threshold": float(np.sort(largest[:-1])[-allowed]) if allowed else None,
            "effect": effect,
            "shifts": tuple(shifts[:SHIFTS_KEPT]),
        }
    )


def cohens_w(window: IntArray, reference: IntArray) -> float:
    """Measure how far a window's shares are from the reference's.

    Args:
        window: Rows per cell, shape (cells,).
        reference: Rows per cell, shape (cells,).

    Returns:
        Cohen's w, less what rows drawn from the reference would show by chance; 0 for equal shares.
    """
    excess, _ = squared_effects(np.vstack([reference, window]))
    return float(np.sqrt(max(excess[-1], 0.0)))


def squared_effects(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Compare each block with all the other blocks together.

    Args:
        counts: Rows per block and cell, shape (blocks, cells).

    Returns:
        Squared Cohen's w of each block less what chance adds to it, and the variance that chance gives it (that
        of a chi-squared); each of shape (blocks,).
    """
    shared = _with_rare_cells_shared(counts)
    rows = np.maximum(shared.sum(axis=1, keepdims=True), 1)
    others = shared.sum(axis=0) - shared
    other_rows = np.maximum(others.sum(axis=1, keepdims=True), 1)
    expected, found, least = others / other_rows, shared / rows, FEW_ROWS / rows
    common = expected >= least
    moved = np.where(common, found - expected, np.maximum(found - least, 0.0))
    square = (moved**2 / np.maximum(expected, least)).sum(axis=1)
    freedom = np.maximum(common.sum(axis=1) - 1, 0)
    by_chance = (1 / rows + 1 / other_rows)[:, 0]
    return square - freedom * by_chance, 2 * freedom * by_chance**2


def _with_rare_cells_shared(counts: IntArray) -> IntArray:
    rows, total = counts.sum(axis=1), counts.sum(axis=0)
    small = min(np.sort(rows)[len(rows) // 4], rows[-1])
    rare = total * small < FEW_ROWS * total.sum()
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


def standardise(excess: FloatArray, noise: FloatArray) -> FloatArray:
    """Express each block's squared effect in standard deviations of the other blocks' from their mean.

    Blocks differ in size, and small ones are noisier. So the variance that chance gives to the others is taken off,
    and what it gives to the block itself, and to the mean of the others, is added.

    Args:
        excess: Squared effects less chance, shape (blocks,).
        noise: Variances by chance, shape (blocks,).
    """
    others = len(excess) - 1
    mean = (excess.sum() - excess) / others
    variance = ((excess**2).sum() - excess**2) / others - mean**2
    usual_noise = (noise.sum() - noise) / others
    spread = np.sqrt(np.maximum(variance - usual_noise, 0.0) + noise + np.maximum(variance, usual_noise) / others)
    return np.asarray((excess - mean) / np.maximum(spread, LEAST_SPREAD), np.float64)


def _largest_shifts(comparisons: Sequence[Comparison], usable: BoolArray, scores: FloatArray) -> list[FeatureShift]:
    shifts = [
        FeatureShift(
            feature=comparison.feature,
            effect=cohens_w(comparison.window, comparison.blocks[usable].sum(axis=0)),
            score=float(score),
        )
        for comparison, score in zip(comparisons, scores, strict=True)
    ]
    return sorted(shifts, key=lambda shift: shift.score, reverse=True)
