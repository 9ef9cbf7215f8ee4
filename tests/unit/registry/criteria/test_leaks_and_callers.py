"""Nothing tells the label beforehand, and callers of the champion need not change."""

from typing import Any

import pytest

from contracts.gates import LeakageGate, SchemaGate
from contracts.jobs import ChampionComparison, SplitReport
from tests.contracts.examples import NOON
from tests.unit.registry.criteria.judged import DAY, judged, leakage


@pytest.mark.parametrize(
    ("found", "criterion"),
    [
        ({"leakage": leakage(named=("arrived_at",))}, "model columns named as the label or its time"),
        ({"leakage": leakage(power={"delay": 0.99, "distance": 0.1})}, "power of delay alone"),
        ({"leakage": leakage(duplicates=2)}, "held-out rows that are training rows too"),
        ({"leakage": leakage(late_labels=1)}, "labels that came after the held-out time began"),
        ({"leakage": leakage(from_future={"landed_at": 1})}, "held-out rows with landed_at after the event"),
        (
            {"leakage": leakage(), "train": SplitReport(rows=800, start=NOON - 9 * DAY, end=NOON)},
            "seconds of training time within the held-out time",
        ),
    ],
)
def test_a_leak_is_named(found: dict[str, Any], criterion: str) -> None:
    verdict = judged(LeakageGate(), **found)

    assert not verdict.passed
    assert verdict.criterion == criterion
    assert verdict.value is not None
    assert verdict.threshold is not None
    assert verdict.value > verdict.threshold


def test_data_without_a_leak_pass_and_what_is_allowed_is_no_leak() -> None:
    clean = judged(LeakageGate(), leakage=leakage())
    assert (clean.passed, clean.criterion, clean.value, clean.threshold) == (True, "power of carrier alone", 0.4, 0.95)
    assert judged(LeakageGate(), leakage=leakage(late_labels=None)).passed
    relaxed = LeakageGate(max_power=None, max_duplicates=0.5, max_late_labels=None, max_from_future=1)
    leaks = leakage(power={"delay": 1.0}, duplicates=50, late_labels=800, from_future={"landed_at": 100})
    assert judged(relaxed, leakage=leaks).passed
    careless = LeakageGate(max_power=None, max_duplicates=None, max_late_labels=None, max_from_future=None)
    assert judged(careless, leakage=leaks).explanation == "no leak was found"


def test_callers_of_the_champion_must_not_break() -> None:
    broken = ChampionComparison(signature_breaks=("input wind must be given", "input distance is no longer taken"))

    verdict = judged(SchemaGate(), comparison=broken)

    assert (verdict.passed, verdict.value, verdict.threshold) == (False, 2, 0)
    assert verdict.explanation == "input wind must be given; input distance is no longer taken"
    assert judged(SchemaGate(), comparison=ChampionComparison()).passed
