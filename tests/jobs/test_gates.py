"""A run measures what its pipeline's gates ask for, and the gates find it in the report."""

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, LeakageGate, SchemaGate, SliceGate
from contracts.jobs import TrainingReport
from contracts.pipeline import Promotion
from ray_jobs.train import train
from services.registry.gates import judge
from tests.jobs.parcels import Parcels, champion

GATES: tuple[Gate, ...] = (
    AbsoluteGate(metric="memory_bytes", at_most=500_000_000),
    AbsoluteGate(metric="latency_p99_ms", at_most=1000),
    ChampionGate(metric="auc", margin=-0.01, confidence=0.95),
    ChampionGate(metric="log_loss", higher_is_better=False, confidence=0.9, block=timedelta(hours=12)),
    ChampionGate(metric="latency_ms", margin=-1000, higher_is_better=False),
    ChampionGate(metric="size_bytes", higher_is_better=False),
    SliceGate(metric="brier", higher_is_better=False, max_loss=0.0, min_rows=30),
    CostGate(false_positive=1, false_negative=4, max_increase=0),
    LeakageGate(max_power=0.9),
    SchemaGate(),
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingReport, TrainingReport]:
    """A first version, and the same again, compared with it."""
    parcels = Parcels.make(tmp_path_factory.mktemp("parcels"))
    definition = parcels.definition.model_copy(update={"promotion": Promotion(gates=GATES), "slices": ("shop",)})
    first = train(parcels.spec("first", definition=definition))
    return first, train(parcels.spec("second", definition=definition, champion=champion(first)))


def test_a_version_passes_every_gate_against_itself(reports: tuple[TrainingReport, TrainingReport]) -> None:
    verdicts = judge(GATES, reports[1], champion=1)

    assert [verdict.explanation for verdict in verdicts if not verdict.passed] == []
    assert all(verdict.value is not None for verdict in verdicts)


def test_what_gates_ask_for_is_measured(reports: tuple[TrainingReport, TrainingReport]) -> None:
    first, second = reports

    # Loading LightGBM's trees into onnxruntime takes megabytes, not kilobytes or the whole interpreter.
    assert 100_000 < first.metrics["memory_bytes"] < 400_000_000
    assert first.metrics["latency_p99_ms"] >= first.metrics["latency_ms"] > 0
    assert second.comparison
    assert [(found.metric, found.confidence, found.value) for found in second.comparison.differences] == [
        ("auc", 0.95, 0),
        ("log_loss", 0.9, 0),
    ]
    assert second.comparison.slices == second.slices != ()
    assert second.comparison.confusions == second.confusions
    (mistakes,) = second.confusions
    assert mistakes.threshold == 0.2
    counted = mistakes.model_dump(exclude={"threshold"}).values()
    assert sum(counted) == second.holdout.rows
    assert second.comparison.signature_breaks == ()
    assert second.leakage
    assert second.leakage.duplicates == 0
    assert 0 < max(second.leakage.power.values()) < 0.9
    assert first.comparison is None


def test_what_takes_long_is_left_out_where_no_gate_asks(tmp_path: Path) -> None:
    report = train(Parcels.make(tmp_path).spec())

    assert {"memory_bytes", "latency_p99_ms"} & report.metrics.keys() == set()
    assert (report.comparison, report.confusions, report.leakage) == (None, (), None)
