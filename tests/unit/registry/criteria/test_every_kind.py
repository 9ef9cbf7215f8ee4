"""Every kind of gate judges by what the run measured, names it, and says so where nothing was."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.gates import AbsoluteGate, Gate, SchemaGate
from contracts.jobs import ChampionComparison
from services.registry.gates import judge
from tests.contracts.examples import NOON, digest
from tests.fakes.registry.examples import report
from tests.unit.registry.criteria.judged import COST, DAY, EVERY_KIND, SLICES, SURE, confusion, judged, slice_


@pytest.mark.parametrize("gate", EVERY_KIND, ids=lambda gate: gate.kind)
def test_a_report_of_before_is_judged_and_told_that_nothing_was_measured(gate: Gate) -> None:
    verdict = judged(gate)

    assert not verdict.passed
    assert verdict.value is None or gate.kind == "champion"
    assert any(words in verdict.explanation for words in ("was not measured", "were not measured", "not compared"))


@pytest.mark.parametrize("gate", EVERY_KIND, ids=lambda gate: gate.kind)
def test_a_verdict_names_criterion_and_data(gate: Gate) -> None:
    verdict = judged(gate)

    assert verdict.criterion
    assert verdict.data
    assert (verdict.data.dataset_version, verdict.data.dataset_digest) == (3, digest("d"))
    assert (verdict.data.rows, verdict.data.start, verdict.data.end) == (100, NOON - DAY, NOON)


@pytest.mark.parametrize("gate", [SURE, SLICES, COST, SchemaGate()], ids=lambda gate: gate.kind)
def test_the_first_version_is_held_against_nobody(gate: Gate) -> None:
    first = {"champion_version": None, "slices": (slice_("JFK", 0.7),), "confusions": (confusion(1, 1),)}

    verdict = judged(gate, champion=None, **first)

    assert verdict.passed
    assert "there is no champion" in verdict.explanation


def test_long_stories_are_cut_to_what_a_verdict_holds() -> None:
    breaks = tuple(f"input column_{number} must be given" for number in range(100))

    assert len(judged(SchemaGate(), comparison=ChampionComparison(signature_breaks=breaks)).explanation) == 500


@pytest.mark.parametrize(
    "gate",
    [
        {"kind": "champion", "metric": "auc", "block": "P1D"},
        {"kind": "champion", "metric": "latency_ms", "confidence": 0.9},
        {"kind": "slice", "metric": "auc"},
        {"kind": "cost", "false_positive": 1, "false_negative": 2},
        {"kind": "cost", "false_positive": 0, "false_negative": 2, "at_most": 1},
        {"kind": "hope"},
    ],
)
def test_a_gate_that_asks_nothing_or_nonsense_is_refused(gate: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Gate).validate_python(gate)


def test_data_are_named_only_where_they_are_known() -> None:
    (verdict,) = judge((AbsoluteGate(metric="auc", at_least=0.5),), report(), champion=None)

    assert verdict.data
    assert verdict.data.dataset_digest is None
