"""Gates: what a candidate must pass to become champion. Pure; every verdict explains itself.

A kind of gate is a class in ``contracts/gates.py`` (a member of ``Gate``), a function in ``criteria.py`` and a case
here, which the type checker asks for.
"""

from typing import assert_never

from contracts.bundle import DatasetRef
from contracts.gates import AbsoluteGate, ChampionGate, CostGate, Gate, LeakageGate, SchemaGate, SliceGate
from contracts.jobs import TrainingReport
from contracts.registry import GateVerdict, JudgedData
from services.registry import criteria
from services.registry.criteria import Case, Finding

LONGEST_EXPLANATION = 500
LONGEST_CRITERION = 200


def judge(
    gates: tuple[Gate, ...], report: TrainingReport, *, champion: int | None, dataset: DatasetRef | None = None
) -> tuple[GateVerdict, ...]:
    """Hold a candidate against every gate.

    Args:
        gates: The pipeline's.
        report: The candidate's and the champion's metrics on the same held-out rows.
        champion: Number of the present champion, which may not be the one the run was compared with.
        dataset: The version of the data that those rows are of, to be named in the verdicts.

    Returns:
        One verdict per gate, in the same order.
    """
    case = Case(report, champion, dataset)
    return tuple(_verdict(gate, _judge(gate, case), case) for gate in gates)


def _judge(gate: Gate, case: Case) -> Finding:
    match gate:
        case AbsoluteGate():
            return criteria.within_bounds(gate, case)
        case ChampionGate():
            return criteria.against_champion(gate, case)
        case SliceGate():
            return criteria.in_every_slice(gate, case)
        case CostGate():
            return criteria.cost_of_errors(gate, case)
        case LeakageGate():
            return criteria.no_leakage(gate, case)
        case SchemaGate():
            return criteria.same_callers(gate, case)
        case _:
            assert_never(gate)


def _verdict(gate: Gate, found: Finding, case: Case) -> GateVerdict:
    held_out = case.report.holdout
    return GateVerdict(
        gate=gate,
        criterion=found.criterion[:LONGEST_CRITERION],
        passed=found.passed,
        value=found.value,
        threshold=found.threshold,
        explanation=found.explanation[:LONGEST_EXPLANATION],
        data=JudgedData(
            dataset_version=case.dataset.version if case.dataset else None,
            dataset_digest=case.dataset.digest if case.dataset else None,
            rows=held_out.rows,
            start=held_out.start,
            end=held_out.end,
        ),
    )
