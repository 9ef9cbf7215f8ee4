"""Gates of every kind, and a report of everything that they look at."""

from datetime import timedelta
from typing import Any

from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, LeakageGate, SchemaGate, SliceGate
from contracts.jobs import ChampionComparison, Confusion, Difference, Leakage, SliceMetrics, SplitReport
from contracts.registry import GateVerdict
from services.registry.gates import judge
from tests.contracts.examples import NOON, lineage
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


def judged(gate: Gate, *, champion: int | None = 4, **found: Any) -> GateVerdict:
    content = {"champion_version": 4, **PARTS, **found}
    (verdict,) = judge((gate,), report(**content), champion=champion, dataset=lineage().dataset)
    return verdict


def difference(lower: float, upper: float, **changes: Any) -> ChampionComparison:
    content = {"metric": "auc", "confidence": 0.95, "resamples": 1000, "units": 100, **changes}
    return ChampionComparison(differences=(Difference(value=(lower + upper) / 2, lower=lower, upper=upper, **content),))


def slice_(value: str, auc: float, rows: int = 100, column: str = "origin") -> SliceMetrics:
    return SliceMetrics(column=column, value=value, rows=rows, metrics={"auc": auc})


def confusion(false_positives: int, false_negatives: int, threshold: float = 0.1) -> Confusion:
    return Confusion(
        threshold=threshold,
        true_positives=10,
        false_positives=false_positives,
        true_negatives=90 - false_positives - false_negatives,
        false_negatives=false_negatives,
    )


def leakage(**found: Any) -> Leakage:
    return Leakage(**{"power": {"distance": 0.2, "carrier": 0.4}, "duplicates": 0, "late_labels": 0, **found})
