"""Gates: what a candidate must pass to become champion. Pure; every verdict explains itself."""

from typing import assert_never

from contracts.jobs import TrainingReport
from contracts.pipeline import AbsoluteGate, ChampionGate, Gate
from contracts.registry import GateVerdict


def judge(gates: tuple[Gate, ...], report: TrainingReport, *, champion: int | None) -> tuple[GateVerdict, ...]:
    """Hold a candidate against every gate.

    Args:
        gates: The pipeline's.
        report: The candidate's and the champion's metrics on the same held-out rows.
        champion: Number of the present champion, which may not be the one the run was compared with.

    Returns:
        One verdict per gate, in the same order.
    """
    return tuple(_judge(gate, report, champion) for gate in gates)


def _judge(gate: Gate, report: TrainingReport, champion: int | None) -> GateVerdict:
    match gate:
        case AbsoluteGate():
            return _within_bounds(gate, report.metrics.get(gate.metric))
        case ChampionGate():
            return _against_champion(gate, report, champion)
        case _:
            assert_never(gate)


def _within_bounds(gate: AbsoluteGate, value: float | None) -> GateVerdict:
    bounds = [(gate.at_least, "at least"), (gate.at_most, "at most")]
    asked = [(bound, words) for bound, words in bounds if bound is not None]
    wish = " and ".join(f"{words} {bound:g}" for bound, words in asked)
    if value is None:
        return _verdict(gate, None, asked[0][0], False, f"{gate.metric} was not measured; {wish} is asked")
    missed = [bound for bound, words in asked if (value < bound if words == "at least" else value > bound)]
    threshold = missed[0] if missed else asked[0][0]
    said = "is not" if missed else "is"
    return _verdict(gate, value, threshold, not missed, f"{gate.metric} {value:.6g} {said} {wish}")


def _against_champion(gate: ChampionGate, report: TrainingReport, champion: int | None) -> GateVerdict:
    value = report.metrics.get(gate.metric)
    if report.champion_version != champion:
        then, now = _name(report.champion_version), _name(champion)
        words = f"the champion changed since the comparison: the run was held against {then}, now there is {now}"
        return _verdict(gate, value, None, False, words)
    if value is None:
        return _verdict(gate, None, None, False, f"{gate.metric} of the candidate was not measured")
    if champion is None:
        return _verdict(gate, value, None, True, f"{gate.metric} {value:.6g}: there is no champion to beat")
    rival = report.champion_metrics.get(gate.metric)
    if rival is None:
        words = f"{gate.metric} of {_name(champion)} was not measured on the candidate's held-out data"
        return _verdict(gate, value, None, False, words)
    threshold = rival + gate.margin if gate.higher_is_better else rival - gate.margin
    passed = value >= threshold if gate.higher_is_better else value <= threshold
    wish = "at least" if gate.higher_is_better else "at most"
    words = (
        f"{gate.metric} {value:.6g} is {'' if passed else 'not '}{wish} {threshold:.6g}"
        f" ({_name(champion)}: {rival:.6g}, margin {gate.margin:g})"
    )
    return _verdict(gate, value, threshold, passed, words)


def _verdict(gate: Gate, value: float | None, threshold: float | None, passed: bool, words: str) -> GateVerdict:
    return GateVerdict(gate=gate, passed=passed, value=value, threshold=threshold, explanation=words)


def _name(number: int | None) -> str:
    return f"champion version {number}" if number else "no champion"
