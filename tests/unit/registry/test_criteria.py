"""Every kind of gate judges by what the run measured, names it, and says so where nothing was."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, LeakageGate, SchemaGate, SliceGate, compares
from contracts.jobs import ChampionComparison, Confusion, Difference, Leakage, SliceMetrics, SplitReport
from contracts.registry import GateVerdict
from services.registry.gates import judge
from tests.contracts.examples import NOON, digest, lineage
from tests.fakes.registry.examples import report

DAY = timedelta(days=1)
SURE = ChampionGate(metric="auc", margin=-0.01, confidence=0.95)
SLICES = SliceGate(metric="auc", max_loss=0.02)
COST = CostGate(false_positive=1, false_negative=9, max_increase=0.1)
EVERY_KIND: tuple[Gate, ...] = (
    AbsoluteGate(metric="latency_p99_ms", at_most=5),
    SURE,
    SLICES,
    COST,
    LeakageGate(),
    SchemaGate(),
)
PARTS = {
    "train": SplitReport(rows=800, start=NOON - 9 * DAY, end=NOON - 3 * DAY),
    "holdout": SplitReport(rows=100, start=NOON - DAY, end=NOON),
}


def _judged(gate: Gate, *, champion: int | None = 4, **found: Any) -> GateVerdict:
    content = {"champion_version": 4, **PARTS, **found}
    (verdict,) = judge((gate,), report(**content), champion=champion, dataset=lineage().dataset)
    return verdict


def _difference(lower: float, upper: float, **changes: Any) -> ChampionComparison:
    content = {"metric": "auc", "confidence": 0.95, "resamples": 1000, "units": 100, **changes}
    return ChampionComparison(differences=(Difference(value=(lower + upper) / 2, lower=lower, upper=upper, **content),))


def _slice(value: str, auc: float, rows: int = 100, column: str = "origin") -> SliceMetrics:
    return SliceMetrics(column=column, value=value, rows=rows, metrics={"auc": auc})


def _confusion(false_positives: int, false_negatives: int, threshold: float = 0.1) -> Confusion:
    return Confusion(
        threshold=threshold,
        true_positives=10,
        false_positives=false_positives,
        true_negatives=90 - false_positives - false_negatives,
        false_negatives=false_negatives,
    )


def _leakage(**found: Any) -> Leakage:
    return Leakage(**{"power": {"distance": 0.2, "carrier": 0.4}, "duplicates": 0, "late_labels": 0, **found})


@pytest.mark.parametrize("gate", EVERY_KIND, ids=lambda gate: gate.kind)
def test_a_report_of_before_is_judged_and_told_that_nothing_was_measured(gate: Gate) -> None:
    verdict = _judged(gate)

    assert not verdict.passed
    assert verdict.value is None or gate.kind == "champion"
    assert any(words in verdict.explanation for words in ("was not measured", "were not measured", "not compared"))


@pytest.mark.parametrize("gate", EVERY_KIND, ids=lambda gate: gate.kind)
def test_a_verdict_names_criterion_and_data(gate: Gate) -> None:
    verdict = _judged(gate)

    assert verdict.criterion
    assert verdict.data
    assert (verdict.data.dataset_version, verdict.data.dataset_digest) == (3, digest("d"))
    assert (verdict.data.rows, verdict.data.start, verdict.data.end) == (100, NOON - DAY, NOON)


@pytest.mark.parametrize("gate", [gate for gate in EVERY_KIND if compares(gate)], ids=lambda gate: gate.kind)
def test_a_comparison_with_another_champion_says_nothing(gate: Gate) -> None:
    verdict = _judged(gate, champion=5)

    assert not verdict.passed
    assert "the champion changed since the comparison" in verdict.explanation


@pytest.mark.parametrize("gate", [SURE, SLICES, COST, SchemaGate()], ids=lambda gate: gate.kind)
def test_the_first_version_is_held_against_nobody(gate: Gate) -> None:
    first = {"champion_version": None, "slices": (_slice("JFK", 0.7),), "confusions": (_confusion(1, 1),)}

    verdict = _judged(gate, champion=None, **first)

    assert verdict.passed
    assert "there is no champion" in verdict.explanation


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

    verdict = _judged(gate, comparison=_difference(lower, upper))

    assert verdict.passed is passed
    assert verdict.value == (lower if higher else -upper)
    assert verdict.threshold == margin
    assert f"({1000} resamples of 100 rows)" in verdict.explanation


@pytest.mark.parametrize("measured", [{"confidence": 0.9}, {"metric": "brier"}, {"block": DAY}])
def test_only_the_interval_that_was_asked_for_counts(measured: dict[str, Any]) -> None:
    verdict = _judged(SURE, comparison=_difference(0.01, 0.02, **measured))

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
        _judged(
            ChampionGate(metric="auc", margin=margin, higher_is_better=higher, confidence=0.95),
            comparison=_difference(lower, lower + width),
        ).passed
        for margin in sorted((one, other))
    ]

    assert passed in ([True, True], [True, False], [False, False])


def test_the_slice_that_loses_most_decides() -> None:
    own = (_slice("JFK", 0.70), _slice("LGA", 0.64), _slice("EWR", 0.60, rows=99))
    rivals = (_slice("JFK", 0.69), _slice("LGA", 0.67), _slice("EWR", 0.90, rows=99))

    verdict = _judged(SLICES, slices=own, comparison=ChampionComparison(slices=rivals))

    assert not verdict.passed
    assert verdict.criterion == "auc of origin=LGA"
    assert (verdict.value, verdict.threshold) == (0.64, pytest.approx(0.65))
    assert "the champion's 0.67" in verdict.explanation
    assert _judged(
        SliceGate(metric="auc", max_loss=0.03), slices=own, comparison=ChampionComparison(slices=rivals)
    ).passed


def test_no_slice_may_be_worse_than_the_worst() -> None:
    slices = (_slice("JFK", 0.70), _slice("AA", 0.55, column="carrier"), _slice("UA", 0.5, column="carrier"))

    verdict = _judged(SliceGate(metric="auc", worst=0.6), slices=slices)

    assert not verdict.passed
    assert "carrier=UA" in verdict.explanation
    assert "1 more slices fail" in verdict.explanation
    assert _judged(SliceGate(metric="auc", worst=0.6, columns=("origin",)), slices=slices).passed
    assert _judged(SliceGate(metric="auc", worst=0.6, min_rows=101), slices=slices).passed


@given(
    aucs=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(30, 300)), min_size=1, max_size=8),
    max_loss=st.floats(0, 0.5),
    higher=st.booleans(),
)
@settings(deadline=None)
def test_passing_means_that_no_large_slice_loses_more(
    aucs: list[tuple[float, float, int]], max_loss: float, higher: bool
) -> None:
    own = tuple(_slice(str(place), auc, rows) for place, (auc, _, rows) in enumerate(aucs))
    rivals = tuple(_slice(str(place), auc, rows) for place, (_, auc, rows) in enumerate(aucs))

    verdict = _judged(
        SliceGate(metric="auc", max_loss=max_loss, higher_is_better=higher),
        slices=own,
        comparison=ChampionComparison(slices=rivals),
    )

    losses = [(theirs - ours if higher else ours - theirs) for ours, theirs, rows in aucs if rows >= 100]
    worst = max(losses, default=0.0)
    assert verdict.passed == (worst <= max_loss) or abs(worst - max_loss) < 1e-9


def test_mistakes_cost_what_they_are_said_to() -> None:
    found = {
        "confusions": (_confusion(20, 2),),
        "comparison": ChampionComparison(confusions=(_confusion(10, 2),)),
    }

    verdict = _judged(COST, **found)

    assert (verdict.passed, verdict.value) == (True, pytest.approx(0.38))
    assert verdict.threshold == pytest.approx(0.28 + 0.1)
    assert not _judged(COST.model_copy(update={"max_increase": 0.09}), **found).passed
    assert not _judged(COST.model_copy(update={"at_most": 0.3}), **found).passed
    other = CostGate(false_positive=1, false_negative=9, threshold=0.5, at_most=1)
    assert "from 0.5 were not measured" in _judged(other, **found).explanation


@given(wrong=st.tuples(st.integers(0, 45), st.integers(0, 45)), costs=st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)))
@settings(deadline=None)
def test_cost_grows_with_every_mistake(wrong: tuple[int, int], costs: tuple[float, float]) -> None:
    gate = CostGate(false_positive=costs[0], false_negative=costs[1], threshold=0.5, at_most=1e9)
    few = _judged(gate, confusions=(_confusion(*wrong, threshold=0.5),))
    more = _judged(gate, confusions=(_confusion(wrong[0], wrong[1] // 2, threshold=0.5),))

    assert few.value is not None
    assert more.value is not None
    assert 0 <= more.value <= few.value <= max(costs)


@pytest.mark.parametrize(
    ("found", "criterion"),
    [
        ({"leakage": _leakage(named=("arrived_at",))}, "model columns named as the label or its time"),
        ({"leakage": _leakage(power={"delay": 0.99, "distance": 0.1})}, "power of delay alone"),
        ({"leakage": _leakage(duplicates=2)}, "held-out rows that are training rows too"),
        ({"leakage": _leakage(late_labels=1)}, "labels that came after the held-out time began"),
        ({"leakage": _leakage(from_future={"landed_at": 1})}, "held-out rows with landed_at after the event"),
        (
            {"leakage": _leakage(), "train": SplitReport(rows=800, start=NOON - 9 * DAY, end=NOON)},
            "seconds of training time within the held-out time",
        ),
    ],
)
def test_a_leak_is_named(found: dict[str, Any], criterion: str) -> None:
    verdict = _judged(LeakageGate(), **found)

    assert not verdict.passed
    assert verdict.criterion == criterion
    assert verdict.value is not None
    assert verdict.threshold is not None
    assert verdict.value > verdict.threshold


def test_data_without_a_leak_pass_and_what_is_allowed_is_no_leak() -> None:
    clean = _judged(LeakageGate(), leakage=_leakage())
    assert (clean.passed, clean.criterion, clean.value, clean.threshold) == (True, "power of carrier alone", 0.4, 0.95)
    assert _judged(LeakageGate(), leakage=_leakage(late_labels=None)).passed
    relaxed = LeakageGate(max_power=None, max_duplicates=0.5, max_late_labels=None, max_from_future=1)
    leaks = _leakage(power={"delay": 1.0}, duplicates=50, late_labels=800, from_future={"landed_at": 100})
    assert _judged(relaxed, leakage=leaks).passed
    careless = LeakageGate(max_power=None, max_duplicates=None, max_late_labels=None, max_from_future=None)
    assert _judged(careless, leakage=leaks).explanation == "no leak was found"


def test_callers_of_the_champion_must_not_break() -> None:
    broken = ChampionComparison(signature_breaks=("input wind must be given", "input distance is no longer taken"))

    verdict = _judged(SchemaGate(), comparison=broken)

    assert (verdict.passed, verdict.value, verdict.threshold) == (False, 2, 0)
    assert verdict.explanation == "input wind must be given; input distance is no longer taken"
    assert _judged(SchemaGate(), comparison=ChampionComparison()).passed


def test_long_stories_are_cut_to_what_a_verdict_holds() -> None:
    breaks = tuple(f"input column_{number} must be given" for number in range(100))

    assert len(_judged(SchemaGate(), comparison=ChampionComparison(signature_breaks=breaks)).explanation) == 500


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
