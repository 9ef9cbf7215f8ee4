"""Whether quality has fallen, judged over windows one after another instead of each alone.

By how much a window is worse than allowed, in units of what blocks of time differ by anyway, follows Student's t as
long as nothing is wrong. Its p-value becomes e-values, bets that win nothing on average while nothing is wrong, and the
wins of each are multiplied and added up as Shiryaev and Roberts do. Meanwhile these statistics, and so their mean, grow
by one per window on average at most: it takes N windows on average, at least, to reach N (Shin, Ramdas and Rinaldo,
*E-detectors*, 2024).
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist, fmean

from scipy.special import stdtr

from contracts.profile import Reference
from services.monitoring.evidence import Evidence, e_values_of
from services.monitoring.quality import QualityVerdict

FEWEST_BLOCKS = 5
"""Fewer say too little about what blocks differ by."""
SURE = NormalDist().inv_cdf(0.95)


def begin(held_out: Sequence[float]) -> Evidence:
    """Begin a version's sequence.

    Args:
        held_out: The metric in each block of time of the version's held-out data; blocks are as long as windows.
    """
    evidence = Evidence()
    for value in held_out:
        evidence = evidence.knowing(value)
    if evidence.known < FEWEST_BLOCKS:
        return evidence
    # All windows are held against the same value: its error would be evidence again and again.
    unsure = SURE * sqrt(evidence.squares / (evidence.known - 1) / evidence.known)
    return evidence.model_copy(update={"unsure": unsure})


def reference_of(reference: Reference, metric: str) -> float | None:
    """Say how good the version was on its held-out data.

    Blocks of time as long as windows are held against windows: over many days the area under the curve is larger than
    within one, since a model tells bad days from good ones as well.
    """
    blocks = reference.quality_blocks.get(metric, ())
    return fmean(blocks) if len(blocks) >= FEWEST_BLOCKS else reference.quality.get(metric)


def resume(
    before: Evidence | None, verdicts: Sequence[QualityVerdict | None], *, run_length: float
) -> list[QualityVerdict | None]:
    """Go on over a version's windows from one that has changed.

    What comes after a window that is not judged yet has to wait for it: windows count in the order of event time.

    Args:
        before: Where the sequence stood before the first; unset if it has not come that far.
        verdicts: Of the windows in the order of time, unset for those that are not judged yet.
        run_length: Average number of windows until a false alarm, at least.
    """
    weighed: list[QualityVerdict | None] = []
    for verdict in verdicts:
        if verdict is None or before is None:
            before = None
            weighed.append(verdict.in_sequence(None) if verdict else None)
        else:
            before = weigh(verdict, before, run_length=run_length)
            weighed.append(verdict.in_sequence(before))
    return weighed


def weigh(verdict: QualityVerdict, before: Evidence, *, run_length: float) -> Evidence:
    """Add the evidence of one window; one that could not be measured adds none."""
    rested = before.model_copy(
        update={
            "threshold": run_length,
            "statistic": 0.0 if before.alarms else before.statistic,
            "bets": Evidence().bets if before.alarms else before.bets,
            "p": None,
            "blocks": 0,
        }
    )
    if verdict.value is None or verdict.shortfall is None or verdict.error is None:
        return rested
    if verdict.days is not None and verdict.day_error is not None:
        blocks, spread = verdict.days, verdict.day_error
    else:
        # A window of few rows is less sure than the blocks before it.
        blocks, spread = rested.known, max(sqrt(rested.squares / max(rested.known - 1, 1)), verdict.error)
    evidence = rested.knowing(verdict.value).model_copy(update={"blocks": blocks})
    if blocks < FEWEST_BLOCKS:
        return evidence
    p = _tail(verdict.shortfall - rested.unsure, spread, blocks - 1)
    bets = tuple((1 + won) * e_value for won, e_value in zip(rested.bets, e_values_of(p), strict=True))
    return evidence.model_copy(update={"p": p, "bets": bets, "statistic": fmean(bets)})


def _tail(shortfall: float, spread: float, freedom: int) -> float:
    if not spread:
        return 0.0 if shortfall > 0 else 1.0
    return float(stdtr(freedom, -shortfall / spread))
