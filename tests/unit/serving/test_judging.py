"""An identical candidate is left alone however often one looks; one that is worse is found early."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from contracts.rollout import Guard
from contracts.serving import GuardTest, GuardVerdict
from services.serving.evidence import Evidence
from services.serving.traffic import Arms, Traffic
from tests.fakes.serving.examples import NOW

ROLLOUTS = 200
STEP_REQUESTS = 200
"""Of the candidate before a step is over: what a plan asks for where it does not say."""
PER_LOOK = 120
SHARES = (0.05, 0.5)
EDGES = np.linspace(0.05, 0.95, 15)
GUARD = Guard(slow_s=0.1)


@dataclass(frozen=True)
class Behaviour:
    """What a version does: how often it fails and is slow, and where its scores lie."""

    error_rate: float = 0.01
    slow_rate: float = 0.02
    alpha: float = 2.0
    rows: int = 1

    def answer(self, requests: int, *, weather: float, at: np.random.Generator) -> Traffic:
        """Answer requests; the weather makes errors and slow answers more likely, for both versions alike."""
        errors = int(at.binomial(requests, min(1.0, self.error_rate * weather)))
        answers = requests - errors
        # The rows of one request are alike: only the requests are independent.
        centres = at.beta(self.alpha, 3.0, size=(answers, 1))
        rows = np.clip(centres + at.normal(0, 0.02, size=(answers, self.rows)), 0, 1)
        cells = np.searchsorted(EDGES, rows, side="right")
        counts = np.bincount(cells.ravel(), minlength=len(EDGES) + 1) / self.rows
        slow = int(at.binomial(answers, min(1.0, self.slow_rate * weather)))
        return Traffic(requests, errors, slow, 0.01 * answers, tuple(counts.tolist()))


CHAMPION = Behaviour()


def test_identical_candidate_is_rolled_back_no_more_often_than_stated() -> None:
    at = np.random.default_rng(11)

    false = [faults_of(CHAMPION, at) for _ in range(ROLLOUTS)]

    assert sum(map(bool, false)) <= ROLLOUTS * GUARD.false_rollback_rate


def test_rate_holds_over_a_whole_rollout_with_replicas_that_come_and_go() -> None:
    at = np.random.default_rng(16)

    false = [
        any(one.failed for evidence in whole_rollout(at) for one in evidence.verdicts(GUARD)) for _ in range(ROLLOUTS)
    ]

    assert sum(false) <= ROLLOUTS * GUARD.false_rollback_rate


def test_rate_holds_where_nothing_at_all_is_tolerated() -> None:
    at, strict = np.random.default_rng(15), Guard(max_error_ratio=1, max_slow_ratio=1, max_shift=1e-6, slow_s=0.1)

    false = [faults_of(CHAMPION, at, guard=strict) for _ in range(ROLLOUTS // 2)]

    assert sum(map(bool, false)) <= ROLLOUTS // 2 * strict.false_rollback_rate


def test_candidate_that_is_worse_within_what_is_allowed_is_left_alone() -> None:
    at = np.random.default_rng(12)
    tolerable = Behaviour(error_rate=0.015, slow_rate=0.04, alpha=2.3, rows=8)

    false = [faults_of(tolerable, at) for _ in range(50)]

    assert sum(map(bool, false)) <= 1


@pytest.mark.parametrize(
    ("candidate", "expected", "within"),
    [
        (Behaviour(slow_rate=1.0), GuardTest.SLOW, 500),
        (Behaviour(slow_rate=0.3), GuardTest.SLOW, 4000),
        (Behaviour(error_rate=1.0), GuardTest.ERRORS, 500),
        (Behaviour(error_rate=0.1), GuardTest.ERRORS, 4000),
        (Behaviour(alpha=20.0), GuardTest.SHIFT, 1000),
    ],
)
def test_bad_candidate_does_not_pass_the_first_step(candidate: Behaviour, expected: GuardTest, within: int) -> None:
    at = np.random.default_rng(13)

    needed = []
    for _ in range(20):
        step, verdicts = next(iter(watched(candidate, at, shares=SHARES[:1])), (None, ()))
        assert step == 0
        assert expected in {one.test for one in verdicts}
        needed.append(verdicts[0].candidate_requests + verdicts[0].champion_requests)

    assert max(needed) <= within


def test_candidate_that_always_fails_is_found_without_a_champion() -> None:
    evidence = Evidence().begin(0, NOW, GUARD).hear({"a": Arms(Traffic(40, 40))}, GUARD)

    (failed,) = [one for one in evidence.verdicts(GUARD) if one.failed]

    assert (failed.test, failed.champion_requests) == (GuardTest.FAILING, 0)
    assert failed.statistic >= failed.threshold


def test_outage_that_hits_both_versions_is_not_the_candidates_fault() -> None:
    at, outage = np.random.default_rng(14), replace(CHAMPION, error_rate=0.4, slow_rate=0.5)

    assert [bool(faults_of(outage, at, champion=outage)) for _ in range(20)] == [False] * 20


def test_errors_that_are_too_rare_to_matter_do_not_count() -> None:
    evidence = Evidence().begin(0, NOW, GUARD)
    evidence = evidence.hear({"a": Arms(Traffic(50_000, 6), Traffic(950_000))}, GUARD)

    (errors,) = [one for one in evidence.verdicts(GUARD) if one.test is GuardTest.ERRORS]

    assert errors.statistic > errors.threshold
    assert not errors.failed


def faults_of(
    candidate: Behaviour, at: np.random.Generator, *, champion: Behaviour = CHAMPION, guard: Guard = GUARD
) -> tuple[GuardVerdict, ...]:
    """Roll a candidate out, looking every second; gives the faults it is rolled back for, if any."""
    return next((faults for _, faults in watched(candidate, at, champion=champion, guard=guard)), ())


def whole_rollout(at: np.random.Generator, *, looks: int = 12) -> Iterator[Evidence]:
    """Roll an identical candidate out: shadow, two canaries, bake. Gives the evidence at every look."""
    evidence = Evidence(score_edges=tuple(EDGES.tolist()))
    for step, (share, copied) in enumerate([(1.0, True), (0.05, False), (0.5, False), (0.1, True)]):
        evidence, seen = evidence.begin(step, NOW, GUARD), {"a": Arms(), "b": Arms()}
        for look in range(looks):
            for name, known in seen.items():
                requests, weather = int(at.poisson(PER_LOOK / 2)), float(at.lognormal(0, 0.5))
                ours = int(at.binomial(requests, share))
                others = ours if copied else requests - ours
                seen[name] = known + Arms(
                    CHAMPION.answer(ours, weather=weather, at=at), CHAMPION.answer(others, weather=weather, at=at)
                )
            evidence = evidence.hear(seen, GUARD)
            yield evidence
            if at.random() < 0.1:
                del seen[min(seen)]
                seen[f"new-{look}"] = Arms()


def watched(
    candidate: Behaviour,
    at: np.random.Generator,
    *,
    champion: Behaviour = CHAMPION,
    shares: tuple[float, ...] = SHARES,
    guard: Guard = GUARD,
) -> Iterator[tuple[int, tuple[GuardVerdict, ...]]]:
    """Go through the steps; gives the step and the faults at every look that finds any."""
    evidence = Evidence(score_edges=tuple(EDGES.tolist()))
    for step, share in enumerate(shares):
        evidence, seen = evidence.begin(step, NOW, guard), Arms()
        while seen.candidate.requests < STEP_REQUESTS:
            requests, weather = int(at.poisson(PER_LOOK)), float(at.lognormal(0, 0.5))
            ours = int(at.binomial(requests, share))
            seen += Arms(
                candidate.answer(ours, weather=weather, at=at),
                champion.answer(requests - ours, weather=weather, at=at),
            )
            evidence = evidence.hear({"a": seen}, guard)
            faults = tuple(one for one in evidence.verdicts(guard) if one.failed)
            if faults:
                yield step, faults
