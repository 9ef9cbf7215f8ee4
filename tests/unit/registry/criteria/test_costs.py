"""Mistakes cost what they are said to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.gates import CostGate
from contracts.jobs import ChampionComparison
from tests.unit.registry.criteria.judged import COST, confusion, judged


def test_mistakes_cost_what_they_are_said_to() -> None:
    found = {
        "confusions": (confusion(20, 2),),
        "comparison": ChampionComparison(confusions=(confusion(10, 2),)),
    }

    verdict = judged(COST, **found)

    assert (verdict.passed, verdict.value) == (True, pytest.approx(0.38))
    assert verdict.threshold == pytest.approx(0.28 + 0.1)
    assert not judged(COST.model_copy(update={"max_increase": 0.09}), **found).passed
    assert not judged(COST.model_copy(update={"at_most": 0.3}), **found).passed
    other = CostGate(false_positive=1, false_negative=9, threshold=0.5, at_most=1)
    assert "from 0.5 were not measured" in judged(other, **found).explanation


@given(wrong=st.tuples(st.integers(0, 45), st.integers(0, 45)), costs=st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)))
@settings(deadline=None)
def test_cost_grows_with_every_mistake(wrong: tuple[int, int], costs: tuple[float, float]) -> None:
    gate = CostGate(false_positive=costs[0], false_negative=costs[1], threshold=0.5, at_most=1e9)
    few = judged(gate, confusions=(confusion(*wrong, threshold=0.5),))
    more = judged(gate, confusions=(confusion(wrong[0], wrong[1] // 2, threshold=0.5),))

    assert few.value is not None
    assert more.value is not None
    assert 0 <= more.value <= few.value <= max(costs)
