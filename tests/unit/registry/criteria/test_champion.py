"""A candidate is held against the champion, surely or by the values alone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.gates import ChampionGate, Gate, compares
from tests.unit.registry.criteria.judged import DAY, EVERY_KIND, SURE, difference, judged


@pytest.mark.parametrize("gate", [gate for gate in EVERY_KIND if compares(gate)], ids=lambda gate: gate.kind)
def test_a_comparison_with_another_champion_says_nothing(gate: Gate) -> None:
    verdict = judged(gate, champion=5)

    assert not verdict.passed
    assert "the champion changed since the comparison" in verdict.explanation


@pytest.mark.parametrize(
    ("margin", "higher", "lower", "upper", "passed"),
    [
        (-0.01, True, -0.005, 0.02, True),
        (-0.01, True, -0.015, 0.02, False),
        (0.0, True, 0.001, 0.02, True),
        (0.0, True, -0.001, 0.09, False),
        (-0.01, False, -0.02, 0.005, True),
        (-0.01, False, -0.02, 0.015, False),
    ],
)
def test_the_near_end_of_the_interval_decides(
    margin: float, higher: bool, lower: float, upper: float, passed: bool
) -> None:
    gate = ChampionGate(metric="auc", margin=margin, higher_is_better=higher, confidence=0.95)

    verdict = judged(gate, comparison=difference(lower, upper))

    assert verdict.passed is passed
    assert verdict.value == (lower if higher else -upper)
    assert verdict.threshold == margin
    assert f"({1000} resamples of 100 rows)" in verdict.explanation


@pytest.mark.parametrize("measured", [{"confidence": 0.9}, {"metric": "brier"}, {"block": DAY}])
def test_only_the_interval_that_was_asked_for_counts(measured: dict[str, Any]) -> None:
    verdict = judged(SURE, comparison=difference(0.01, 0.02, **measured))

    assert not verdict.passed
    assert "was not measured" in verdict.explanation


@given(
    lower=st.floats(-1, 1), width=st.floats(0, 1), one=st.floats(-1, 1), other=st.floats(-1, 1), higher=st.booleans()
)
@settings(deadline=None)
def test_who_passes_a_margin_passes_every_smaller_one(
    lower: float, width: float, one: float, other: float, higher: bool
) -> None:
    passed = [
        judged(
            ChampionGate(metric="auc", margin=margin, higher_is_better=higher, confidence=0.95),
            comparison=difference(lower, lower + width),
        ).passed
        for margin in sorted((one, other))
    ]

    assert passed in ([True, True], [True, False], [False, False])
