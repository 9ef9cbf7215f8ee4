"""What a version did is counted per step, and adds up."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.desired import Split
from services.serving.replica.tally import Tallies, Tally

EDGES = (0.25, 0.5, 0.75)
SPLIT = Split(rollout_id=UUID(int=7), step=1, candidate=2, share=0.5, slow_s=0.1, score_edges=EDGES)


@given(answers=st.lists(st.lists(st.floats(-1, 2), min_size=1, max_size=6), max_size=10))
def test_every_answer_counts_once_whatever_its_rows(answers: list[list[float]]) -> None:
    tally = Tally(SPLIT, 2)
    for scores in answers:
        tally.answered(scores, 0.01)

    cells = np.zeros(len(EDGES) + 1)
    for scores in answers:
        cells += np.bincount(np.searchsorted(EDGES, scores, "right"), minlength=len(cells)) / len(scores)
    report = tally.report()
    np.testing.assert_allclose(report.scores, cells)
    assert sum(report.scores) == pytest.approx(report.requests)
    assert report.seconds == pytest.approx(0.01 * len(answers))


def test_failures_are_requests_and_slow_answers_are_answers() -> None:
    tally = Tally(SPLIT, 2)
    tally.answered([0.5], 0.2)
    tally.answered([0.5], 0.05)
    tally.failed()

    report = tally.report()

    assert (report.requests, report.errors, report.slow) == (3, 1, 1)
    assert list(report.scores) == [0, 0, 2, 0]
    assert (report.rollout_id, report.step, report.version) == (SPLIT.rollout_id, 1, 2)


def test_counts_go_on_within_a_step_and_start_anew_with_the_next() -> None:
    tallies = Tallies()
    unknown = SPLIT.model_copy(update={"slow_s": None})
    tallies.follow(unknown)
    tallies.of(unknown, 2).answered([0.1], 9.0)

    tallies.follow(SPLIT)
    tallies.of(SPLIT, 2).answered([0.1], 9.0)
    (same_step,) = tallies.report()
    tallies.follow(SPLIT.model_copy(update={"step": 2}))

    assert (same_step.requests, same_step.slow) == (2, 1)
    assert tallies.report() == ()


def test_nothing_is_counted_without_a_split() -> None:
    tallies = Tallies()
    tallies.follow(SPLIT)
    tallies.of(SPLIT, 2)
    tallies.follow(None)

    assert tallies.report() == ()
