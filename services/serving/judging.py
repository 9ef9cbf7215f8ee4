"""Whether a candidate does worse than the version that answers: sequential tests, valid at every look.

Evidence comes in blocks: what both versions were asked in the same stretch of time. Whatever happens to a model from
outside, at night or in an outage, happens to both within a block, so only the difference between the two is tested.

Each test multiplies, block by block, the factors of a nonnegative supermartingale that starts at 1 (an e-process).
While the candidate is no worse than is tolerated, it ever reaches 1/α with a probability of at most α (Ville's
inequality), so that looking every second costs nothing. The rate of the guard is shared out evenly between the tests.

- Errors and slow answers: requests are assigned at random, so of e errors in a block each falls on the candidate with
  probability θ = ρp / (ρp + 1 - p), where p is its share of the block's requests and ρ its error rate as a multiple of
  the champion's. The factor against ρ₀, the tolerated ratio, is (ρ/ρ₀)^x ((ρ₀p + 1 - p) / (ρp + 1 - p))^e with x errors
  of the candidate; its mean is at most 1 whatever the champion's rate is, in this block or another (1 + u ≤ exp u).
  Mixed over a grid of ρ. After Lindon & Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022).
- Scores: per edge of the cells, the difference D of the two shares of scores below it. With m = n₁n₂/(n₁+n₂) for the
  answers of a block, Σ m(D - δ) is sub-Gaussian with variance Σ m/4 (Hoeffding), δ being the tolerated shift. Mixed
  over a grid of excess shifts, both signs and all edges. After Howard & Ramdas, "Sequential estimation of quantiles"
  (Bernoulli 2022), with a floor for the effect and a concurrent control.
- Failing: the candidate's errors against a fixed bound, for when the champion is asked nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from contracts.rollout import Guard
from contracts.serving import GuardTest, GuardVerdict
from services.serving.traffic import NOTHING, Traffic

RATIOS = np.exp(np.linspace(log(1.25), log(1000), 24))
"""How many times worse than tolerated the candidate may be: what the mixture prepares for."""
SHIFTS = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7])
"""By how much more than tolerated the scores may have moved."""
RATES = np.array([0.1, 0.3, 0.6, 0.9, 0.999])
"""How far beyond the fixed bound the rate of errors may be, as a share of the way to 1."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The evidence of all blocks so far, as sums: it can be kept, and gone on with, at any block."""

    candidate: Traffic = NOTHING
    champion: Traffic = NOTHING
    errors: tuple[float, ...] = (0.0,) * len(RATIOS)
    """Logarithm of the evidence per ratio of the grid."""
    slow: tuple[float, ...] = (0.0,) * len(RATIOS)
    weight: float = 0.0
    """Sum of m over blocks."""
    shifts: tuple[float, ...] = ()
    """Sum of m times the difference in the share of scores below each edge, candidate minus champion."""


def enter(ledger: Ledger, candidate: Traffic, champion: Traffic, guard: Guard) -> Ledger:
    """Add a block: what both versions were asked since the last one. Each must have been asked something."""
    share = candidate.requests / (candidate.requests + champion.requests)
    entered = _enter_scores(ledger, candidate, champion)
    return replace(
        entered,
        candidate=ledger.candidate + candidate,
        champion=ledger.champion + champion,
        errors=_with(ledger.errors, candidate.errors, champion.errors, share, guard.max_error_ratio),
        slow=_with(ledger.slow, candidate.slow, champion.slow, share, guard.max_slow_ratio),
    )


def judge(ledger: Ledger, candidate: Traffic, guard: Guard) -> tuple[GuardVerdict, ...]:
    """Say what each test makes of the evidence so far.

    Args:
        ledger: What both versions were asked, in blocks.
        candidate: Everything the candidate was asked, with what the champion had no part in.
        guard: What is tolerated, and the rate.
    """
    threshold = log(len(GuardTest) / guard.false_rollback_rate)
    return (
        _compared(GuardTest.ERRORS, ledger, ledger.errors, threshold, guard),
        _compared(GuardTest.SLOW, ledger, ledger.slow, threshold, guard),
        _shifted(ledger, threshold, guard),
        _failing(candidate, ledger.champion, threshold, guard),
    )


def _enter_scores(ledger: Ledger, candidate: Traffic, champion: Traffic) -> Ledger:
    ours, theirs = np.asarray(candidate.scores, np.float64), np.asarray(champion.scores, np.float64)
    answers, others = float(ours.sum()), float(theirs.sum())
    if len(ours) != len(theirs) or not answers or not others:
        return ledger
    weight = answers * others / (answers + others)
    below = np.cumsum(ours)[:-1] / answers - np.cumsum(theirs)[:-1] / others
    known = np.asarray(ledger.shifts) if ledger.shifts else np.zeros(len(below))
    return replace(ledger, weight=ledger.weight + weight, shifts=tuple((known + weight * below).tolist()))


def _with(known: Sequence[float], candidate: int, champion: int, share: float, tolerated: float) -> tuple[float, ...]:
    equal = tolerated * share + 1 - share
    worse = tolerated * RATIOS * share + 1 - share
    factors = candidate * np.log(RATIOS) + (candidate + champion) * np.log(equal / worse)
    return tuple((np.asarray(known) + factors).tolist())


def _compared(
    test: GuardTest, ledger: Ledger, evidence: Sequence[float], threshold: float, guard: Guard
) -> GuardVerdict:
    slow = test is GuardTest.SLOW
    ours, theirs = ledger.candidate, ledger.champion
    count, other = (ours.slow, theirs.slow) if slow else (ours.errors, theirs.errors)
    statistic, rate = _mean(np.asarray(evidence)), _rate(count, ours.requests)
    tolerated = guard.max_slow_ratio if slow else guard.max_error_ratio
    return GuardVerdict(
        test=test,
        # Asking for more than the statistic can only make false rollbacks rarer.
        failed=statistic >= threshold and rate >= guard.min_rate,
        statistic=statistic,
        threshold=threshold,
        candidate=rate,
        champion=_rate(other, theirs.requests),
        candidate_requests=ours.requests,
        champion_requests=theirs.requests,
        explanation=f"{count} of {ours.requests} requests {'were slow' if slow else 'failed'}, {other} of "
        f"{theirs.requests} of the version that answers; {tolerated:g} times its rate is allowed",
    )


def _shifted(ledger: Ledger, threshold: float, guard: Guard) -> GuardVerdict:
    sums, weight = np.asarray(ledger.shifts), ledger.weight
    if not weight:
        statistic, distance = 0.0, 0.0
    else:
        # Both signs, each edge, each excess: the mean of e-processes is one.
        excess = np.concatenate([sums, -sums])[:, None] - weight * guard.max_shift
        rate = 4 * SHIFTS
        statistic, distance = _mean(rate * excess - rate**2 * weight / 8), float(np.abs(sums).max() / weight)
    return GuardVerdict(
        test=GuardTest.SHIFT,
        failed=statistic >= threshold,
        statistic=statistic,
        threshold=threshold,
        candidate=distance,
        candidate_requests=ledger.candidate.requests,
        champion_requests=ledger.champion.requests,
        explanation=f"the distributions of scores differ by {distance:.3f} where they differ most; "
        f"{guard.max_shift:g} is allowed",
    )


def _failing(candidate: Traffic, champion: Traffic, threshold: float, guard: Guard) -> GuardVerdict:
    bound, failed, answered = guard.max_error_rate, candidate.errors, candidate.requests - candidate.errors
    rates = bound + (1 - bound) * RATES
    statistic = _mean(failed * np.log(rates / bound) + answered * np.log((1 - rates) / (1 - bound)))
    rate, other = _rate(failed, candidate.requests), _rate(champion.errors, champion.requests)
    return GuardVerdict(
        test=GuardTest.FAILING,
        # In an outage both fail, and going back helps nobody.
        failed=statistic >= threshold and rate > guard.max_error_ratio * other,
        statistic=statistic,
        threshold=threshold,
        candidate=rate,
        champion=other,
        candidate_requests=candidate.requests,
        champion_requests=champion.requests,
        explanation=f"{failed} of {candidate.requests} requests failed; {bound:.0%} are allowed at most",
    )


def _mean(logarithms: Array) -> float:
    """Average evidence given as logarithms, without overflow."""
    return float(np.logaddexp.reduce(logarithms, axis=None) - log(logarithms.size))


def _rate(count: int, requests: int) -> float:
    return count / requests if requests else 0.0
