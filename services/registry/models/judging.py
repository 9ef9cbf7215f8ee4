"""Gates for versions that were only logged: held against what their client measured and told."""

from contracts.gates import AbsoluteGate
from contracts.registry import GateVerdict
from services.chassis.errors import RejectedError
from services.chassis.work import Transaction
from services.registry.criteria import bounded
from services.registry.gates import LONGEST_CRITERION, LONGEST_EXPLANATION
from services.registry.logged_models.ports import LoggedModels
from services.registry.models.domain import LONGEST_REASON, VersionEntry
from services.registry.models.ports import NamedModels
from services.registry.tracking.ports import Runs


async def let_through(version: VersionEntry, tx: Transaction) -> tuple[GateVerdict, ...]:
    """Hold a logged version against the gates that its model declares.

    Raises:
        RejectedError: It missed one, or none is declared, so that only a person can let it pass.
    """
    gates = await tx.port(NamedModels).gates(version.pipeline)
    values = await measured(version, tx)
    verdicts = tuple(_verdict(gate, values.get(gate.metric)) for gate in gates)
    missed = [verdict.explanation for verdict in verdicts if not verdict.passed]
    if missed or not gates:
        raise RejectedError(
            "gates_not_passed",
            version=version.number,
            verdict="; ".join(missed) or "it was logged, and its model declares no gate",
            hint=f"everloop waive {version.pipeline} {version.number} --reason …",
        )
    return verdicts


def said_by(verdicts: tuple[GateVerdict, ...]) -> str:
    """Say why a version may be champion."""
    return ("passed every gate: " + "; ".join(verdict.explanation for verdict in verdicts))[:LONGEST_REASON]


async def measured(version: VersionEntry, tx: Transaction) -> dict[str, float]:
    """Read the newest values of the run, and over them those of the very model that was logged."""
    values: dict[str, float] = {}
    if version.run_id:
        record = (await tx.port(Runs).records([version.run_id])).get(version.run_id)
        values |= {point.key: point.value for point in record.metrics} if record else {}
    if version.model_id:
        model = (await tx.port(LoggedModels).records([version.model_id])).get(version.model_id)
        values |= {one.metric.key: one.metric.value for one in model.metrics} if model else {}
    return values


def _verdict(gate: AbsoluteGate, value: float | None) -> GateVerdict:
    # Not a number is neither good nor bad, so it was not measured.
    found = bounded(gate, None if value is None or value != value else value)
    return GateVerdict(
        gate=gate,
        criterion=found.criterion[:LONGEST_CRITERION],
        passed=found.passed,
        value=found.value,
        threshold=found.threshold,
        explanation=found.explanation[:LONGEST_EXPLANATION],
    )
