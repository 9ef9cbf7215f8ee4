"""Gates judge and explain themselves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.pipeline import AbsoluteGate, ChampionGate
from contracts.registry import GateVerdict
from services.registry.gates import judge
from tests.fakes.registry.examples import report

METRIC = st.floats(-10, 10)


def _verdict(gate: AbsoluteGate | ChampionGate, *, champion: int | None = None, **found: Any) -> GateVerdict:
    (verdict,) = judge((gate,), report(**found), champion=champion)
    return verdict


@pytest.mark.parametrize(
    ("value", "passed", "threshold", "words"),
    [
        (0.7, True, 0.6, "auc 0.7 is at least 0.6 and at most 0.9"),
        (0.6, True, 0.6, "auc 0.6 is at least 0.6"),
        (0.5, False, 0.6, "auc 0.5 is not at least 0.6 and at most 0.9"),
        (0.95, False, 0.9, "auc 0.95 is not at least 0.6 and at most 0.9"),
    ],
)
def test_absolute_gate_holds_both_bounds(value: float, passed: bool, threshold: float, words: str) -> None:
    gate = AbsoluteGate(metric="auc", at_least=0.6, at_most=0.9)

    verdict = _verdict(gate, metrics={"auc": value})

    assert (verdict.gate, verdict.passed, verdict.value, verdict.threshold) == (gate, passed, value, threshold)
    assert words in verdict.explanation


@pytest.mark.parametrize("gate", [AbsoluteGate(metric="latency_ms", at_most=5), ChampionGate(metric="latency_ms")])
def test_a_metric_that_was_not_measured_fails_and_says_so(gate: AbsoluteGate | ChampionGate) -> None:
    verdict = _verdict(gate, metrics={"auc": 0.7})

    assert not verdict.passed
    assert verdict.value is None
    assert "latency_ms" in verdict.explanation
    assert "not measured" in verdict.explanation


def test_the_first_version_has_no_champion_to_beat() -> None:
    verdict = _verdict(ChampionGate(metric="auc", margin=0.1))

    assert verdict.passed
    assert "no champion to beat" in verdict.explanation


@pytest.mark.parametrize(
    ("gate", "value", "passed", "threshold"),
    [
        (ChampionGate(metric="auc", margin=0.02), 0.73, True, 0.72),
        (ChampionGate(metric="auc", margin=0.02), 0.71, False, 0.72),
        (ChampionGate(metric="auc", margin=-0.02), 0.69, True, 0.68),
        (ChampionGate(metric="auc", higher_is_better=False), 0.69, True, 0.70),
        (ChampionGate(metric="auc", margin=0.02, higher_is_better=False), 0.69, False, 0.68),
    ],
)
def test_champion_gate_asks_for_an_improvement(
    gate: ChampionGate, value: float, passed: bool, threshold: float
) -> None:
    verdict = _verdict(gate, champion=4, metrics={"auc": value}, champion_version=4, champion_metrics={"auc": 0.70})

    assert verdict.passed is passed
    assert verdict.threshold == pytest.approx(threshold)
    assert "champion version 4: 0.7" in verdict.explanation


@pytest.mark.parametrize(("compared", "champion"), [(4, 5), (None, 1), (4, None)])
def test_a_comparison_with_another_champion_fails_and_says_so(compared: int | None, champion: int | None) -> None:
    verdict = _verdict(
        ChampionGate(metric="auc"),
        champion=champion,
        champion_version=compared,
        champion_metrics={"auc": 0.1} if compared else {},
    )

    assert not verdict.passed
    assert "the champion changed since the comparison" in verdict.explanation


def test_a_champion_that_was_not_measured_fails_the_gate() -> None:
    verdict = _verdict(ChampionGate(metric="auc"), champion=4, champion_version=4, champion_metrics={"loss": 1})

    assert not verdict.passed
    assert "auc of champion version 4 was not measured" in verdict.explanation


@given(value=METRIC, rival=METRIC, margin=st.floats(0, 1), higher=st.booleans())
def test_passing_means_being_better_by_the_margin(value: float, rival: float, margin: float, higher: bool) -> None:
    verdict = _verdict(
        ChampionGate(metric="auc", margin=margin, higher_is_better=higher),
        champion=1,
        metrics={"auc": value},
        champion_version=1,
        champion_metrics={"auc": rival},
    )

    better = value - rival if higher else rival - value
    assert verdict.passed == (better >= margin) or abs(better - margin) < 1e-9
