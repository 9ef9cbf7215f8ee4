"""No slice may lose too much, or be too bad."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.gates import SliceGate
from contracts.jobs import ChampionComparison
from tests.unit.registry.criteria.judged import SLICES, judged, slice_


def test_the_slice_that_loses_most_decides() -> None:
    own = (slice_("JFK", 0.70), slice_("LGA", 0.64), slice_("EWR", 0.60, rows=99))
    rivals = (slice_("JFK", 0.69), slice_("LGA", 0.67), slice_("EWR", 0.90, rows=99))

    verdict = judged(SLICES, slices=own, comparison=ChampionComparison(slices=rivals))

    assert not verdict.passed
    assert verdict.criterion == "auc of origin=LGA"
    assert (verdict.value, verdict.threshold) == (0.64, pytest.approx(0.65))
    assert "the champion's 0.67" in verdict.explanation
    assert judged(
        SliceGate(metric="auc", max_loss=0.03), slices=own, comparison=ChampionComparison(slices=rivals)
    ).passed


def test_no_slice_may_be_worse_than_the_worst() -> None:
    slices = (slice_("JFK", 0.70), slice_("AA", 0.55, column="carrier"), slice_("UA", 0.5, column="carrier"))

    verdict = judged(SliceGate(metric="auc", worst=0.6), slices=slices)

    assert not verdict.passed
    assert "carrier=UA" in verdict.explanation
    assert "1 more slices fail" in verdict.explanation
    assert judged(SliceGate(metric="auc", worst=0.6, columns=("origin",)), slices=slices).passed
    assert judged(SliceGate(metric="auc", worst=0.6, min_rows=101), slices=slices).passed


@given(
    aucs=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(30, 300)), min_size=1, max_size=8),
    max_loss=st.floats(0, 0.5),
    higher=st.booleans(),
)
@settings(deadline=None)
def test_passing_means_that_no_large_slice_loses_more(
    aucs: list[tuple[float, float, int]], max_loss: float, higher: bool
) -> None:
    own = tuple(slice_(str(place), auc, rows) for place, (auc, _, rows) in enumerate(aucs))
    rivals = tuple(slice_(str(place), auc, rows) for place, (_, auc, rows) in enumerate(aucs))

    verdict = judged(
        SliceGate(metric="auc", max_loss=max_loss, higher_is_better=higher),
        slices=own,
        comparison=ChampionComparison(slices=rivals),
    )

    losses = [(theirs - ours if higher else ours - theirs) for ours, theirs, rows in aucs if rows >= 100]
    worst = max(losses, default=0.0)
    assert verdict.passed == (worst <= max_loss) or abs(worst - max_loss) < 1e-9
