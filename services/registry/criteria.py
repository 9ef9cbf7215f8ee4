"""What each kind of gate asks of a candidate: one pure function per kind, from gate and case to a finding."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isclose

from contracts.bundle import DatasetRef
from contracts.gates import AbsoluteGate, ChampionGate, CostGate, LeakageGate, SchemaGate, SliceGate
from contracts.jobs import Confusion, Difference, Leakage, SliceMetrics, TrainingReport


@dataclass(frozen=True, slots=True)
class Case:
    """What gates judge by: the run's report, the champion of now, and the data that both were measured on."""

    report: TrainingReport
    champion: int | None
    dataset: DatasetRef | None = None

    @property
    def changed(self) -> str | None:
        """Why a comparison says nothing any more, if so."""
        if self.report.champion_version == self.champion:
            return None
        then, now = named(self.report.champion_version), named(self.champion)
        return f"the champion changed since the comparison: the run was held against {then}, now there is {now}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a gate found: by which criterion, which value, held against what."""

    criterion: str
    passed: bool
    explanation: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class _Check:
    """One of the things a gate asks: a value and its bound."""

    criterion: str
    value: float
    threshold: float
    explanation: str
    higher_is_better: bool = False

    @property
    def slack(self) -> float:
        """How far the value is on the right side of its bound; negative on the wrong one."""
        return self.value - self.threshold if self.higher_is_better else self.threshold - self.value


def named(number: int | None) -> str:
    """Name a champion."""
    return f"champion version {number}" if number else "no champion"


def within_bounds(gate: AbsoluteGate, case: Case) -> Finding:
    """Hold a metric against fixed bounds."""
    return bounded(gate, case.report.metrics.get(gate.metric))


def bounded(gate: AbsoluteGate, value: float | None) -> Finding:
    """Hold a value against fixed bounds; none was not measured."""
    bounds = [(gate.at_least, "at least"), (gate.at_most, "at most")]
    asked = [(bound, words) for bound, words in bounds if bound is not None]
    wish = " and ".join(f"{words} {bound:g}" for bound, words in asked)
    criterion = f"{gate.metric} {wish}"
    if value is None:
        words = f"{gate.metric} was not measured; {wish} is asked"
        return Finding(criterion, False, words, threshold=asked[0][0])
    missed = [bound for bound, words in asked if (value < bound if words == "at least" else value > bound)]
    threshold = missed[0] if missed else asked[0][0]
    said = "is not" if missed else "is"
    return Finding(criterion, not missed, f"{gate.metric} {value:.6g} {said} {wish}", value, threshold)


def against_champion(gate: ChampionGate, case: Case) -> Finding:
    """Ask for an improvement on the champion: of the measured values, or by a margin that is sure."""
    criterion = f"{gate.metric} against the champion"
    value = case.report.metrics.get(gate.metric)
    if case.changed:
        return Finding(criterion, False, case.changed, value)
    if value is None:
        return Finding(criterion, False, f"{gate.metric} of the candidate was not measured")
    if case.champion is None:
        return Finding(criterion, True, f"{gate.metric} {value:.6g}: there is no champion to beat", value)
    if gate.confidence is not None:
        return _surely_better(gate, gate.confidence, case)
    rival = case.report.champion_metrics.get(gate.metric)
    if rival is None:
        words = f"{gate.metric} of {named(case.champion)} was not measured on the candidate's held-out data"
        return Finding(criterion, False, words, value)
    threshold = rival + gate.margin if gate.higher_is_better else rival - gate.margin
    passed = value >= threshold if gate.higher_is_better else value <= threshold
    wish = "at least" if gate.higher_is_better else "at most"
    words = (
        f"{gate.metric} {value:.6g} is {'' if passed else 'not '}{wish} {threshold:.6g}"
        f" ({named(case.champion)}: {rival:.6g}, margin {gate.margin:g})"
    )
    return Finding(criterion, passed, words, value, threshold)


def in_every_slice(gate: SliceGate, case: Case) -> Finding:
    """Look at each large enough slice; the one that comes off worst decides."""
    criterion = f"{gate.metric} in every slice"
    if gate.max_loss is not None and case.changed:
        return Finding(criterion, False, case.changed)
    comparison = case.report.comparison
    if not case.report.slices or (gate.max_loss is not None and case.champion and comparison is None):
        return Finding(criterion, False, f"{gate.metric} was not measured by slice")
    rivals = {_slice_key(one): one for one in comparison.slices} if comparison else {}
    judged = [
        one
        for one in case.report.slices
        if one.rows >= gate.min_rows and gate.metric in one.metrics and (not gate.columns or one.column in gate.columns)
    ]
    checks = [check for one in judged for check in _slice_checks(gate, one, rivals.get(_slice_key(one)))]
    if not checks:
        why = "there is no champion to lose against" if judged else f"no slice has {gate.min_rows} rows to be judged by"
        return Finding(criterion, True, why)
    return _worst(checks, more="slices")


def cost_of_errors(gate: CostGate, case: Case) -> Finding:
    """Hold what mistakes cost per row against a bound, and against what the champion's cost."""
    criterion = f"cost of errors when acting from {gate.acts_from:.4g}"
    if gate.max_increase is not None and case.changed:
        return Finding(criterion, False, case.changed)
    own = _cost(gate, case.report.confusions)
    if own is None:
        return Finding(criterion, False, f"mistakes when acting from {gate.acts_from:.4g} were not measured")
    checks = []
    if gate.at_most is not None:
        words = f"mistakes cost {own:.6g} a row, at most {gate.at_most:g} is asked"
        checks.append(_Check(criterion, own, gate.at_most, words))
    if gate.max_increase is not None and case.champion:
        rival = _cost(gate, case.report.comparison.confusions) if case.report.comparison else None
        if rival is None:
            return Finding(criterion, False, f"mistakes of {named(case.champion)} were not measured", own)
        threshold = rival + gate.max_increase
        words = f"mistakes cost {own:.6g} a row, at most {threshold:.6g} is asked ({named(case.champion)}: {rival:.6g})"
        checks.append(_Check(criterion, own, threshold, words))
    if not checks:
        return Finding(criterion, True, f"mistakes cost {own:.6g} a row: there is no champion to compare with", own)
    return _worst(checks, more="bounds")


def no_leakage(gate: LeakageGate, case: Case) -> Finding:
    """Ask that nothing of the label was known beforehand; every fault is named, the first one decides."""
    leakage = case.report.leakage
    if leakage is None:
        return Finding("leakage", False, "leakage was not measured")
    checks = list(_leakage_checks(gate, leakage, case.report))
    if not checks:
        return Finding("leakage", True, "no leak was found")
    missed = [check for check in checks if check.slack < 0]
    decided = (missed or checks)[0]
    words = "; ".join(check.explanation for check in missed or checks)
    return Finding(decided.criterion, not missed, words, decided.value, decided.threshold)


def same_callers(gate: SchemaGate, case: Case) -> Finding:
    """Ask that whoever asks the champion can ask the candidate."""
    if case.changed:
        return Finding(gate.kind, False, case.changed)
    if case.champion is None:
        return Finding(gate.kind, True, "there is no champion whose callers could be broken")
    if case.report.comparison is None:
        return Finding(gate.kind, False, f"the signature was not compared with that of {named(case.champion)}")
    breaks = case.report.comparison.signature_breaks
    words = "; ".join(breaks) or f"whoever asks {named(case.champion)} can ask the candidate"
    return Finding(gate.kind, not breaks, words, value=len(breaks), threshold=0)


def _surely_better(gate: ChampionGate, confidence: float, case: Case) -> Finding:
    criterion = f"{gate.metric} against the champion, {confidence:.4g} sure"
    found = _interval(gate, case.report.comparison.differences if case.report.comparison else ())
    if found is None:
        words = f"how sure the difference in {gate.metric} is was not measured, or the rows were too few"
        return Finding(criterion, False, words)
    value, surely = (found.value, found.lower) if gate.higher_is_better else (-found.value, -found.upper)
    passed = surely >= gate.margin
    words = (
        f"{gate.metric} improves on {named(case.champion)} by {value:+.6g}, with {confidence:.4g} confidence by"
        f" at least {surely:+.6g}; at least {gate.margin:+g} is asked"
        f" ({found.resamples} resamples of {found.units} {'blocks' if found.block else 'rows'})"
    )
    return Finding(criterion, passed, words, surely, gate.margin)


def _interval(gate: ChampionGate, differences: Iterable[Difference]) -> Difference | None:
    asked = (gate.metric, gate.confidence, gate.block)
    return next((one for one in differences if (one.metric, one.confidence, one.block) == asked), None)


def _slice_key(one: SliceMetrics) -> tuple[str, str]:
    return one.column, one.value


def _slice_checks(gate: SliceGate, own: SliceMetrics, rival: SliceMetrics | None) -> Iterator[_Check]:
    value = own.metrics[gate.metric]
    criterion = f"{gate.metric} of {own.column}={own.value}"
    wish = "at least" if gate.higher_is_better else "at most"
    said = f"{criterion} ({own.rows} rows) {value:.6g}, {wish} "
    if gate.worst is not None:
        yield _Check(criterion, value, gate.worst, f"{said}{gate.worst:g} is asked", gate.higher_is_better)
    if gate.max_loss is not None and rival and gate.metric in rival.metrics:
        theirs = rival.metrics[gate.metric]
        threshold = theirs - gate.max_loss if gate.higher_is_better else theirs + gate.max_loss
        words = f"{said}{threshold:.6g} is asked (the champion's {theirs:.6g})"
        yield _Check(criterion, value, threshold, words, gate.higher_is_better)


def _cost(gate: CostGate, confusions: Iterable[Confusion]) -> float | None:
    """What a row's mistake costs on average, where the mistakes at the gate's threshold were counted."""
    for one in confusions:
        rows = one.true_positives + one.false_positives + one.true_negatives + one.false_negatives
        if isclose(one.threshold, gate.acts_from) and rows:
            return (gate.false_positive * one.false_positives + gate.false_negative * one.false_negatives) / rows
    return None


def _leakage_checks(gate: LeakageGate, leakage: Leakage, report: TrainingReport) -> Iterator[_Check]:
    if leakage.named:
        words = f"named as the label or its time: {', '.join(leakage.named)}"
        yield _Check("model columns named as the label or its time", len(leakage.named), 0, words)
    if (overlap_s := (report.train.end - report.holdout.start).total_seconds()) > 0:
        words = f"the newest training row is {overlap_s:g} s newer than the oldest held-out one"
        yield _Check("seconds of training time within the held-out time", overlap_s, 0, words)
    if gate.max_power is not None and leakage.power:
        name = max(leakage.power, key=lambda column: leakage.power[column])
        power = leakage.power[name]
        words = f"{name} alone tells {power:.4g} of the label, at most {gate.max_power:g} is asked"
        yield _Check(f"power of {name} alone", power, gate.max_power, words)
    shares = [
        ("held-out rows that are training rows too", leakage.duplicates, report.holdout.rows, gate.max_duplicates),
        (
            "labels that came after the held-out time began",
            leakage.late_labels,
            report.train.rows,
            gate.max_late_labels,
        ),
        *(
            (f"held-out rows with {name} after the event", rows, report.holdout.rows, gate.max_from_future)
            for name, rows in leakage.from_future.items()
        ),
    ]
    for what, count, rows, most in shares:
        if count is not None and most is not None:
            share = count / max(rows, 1)
            yield _Check(what, share, most, f"{what}: {share:.4g} of {rows}, at most {most:g} is asked")


def _worst(checks: Sequence[_Check], *, more: str) -> Finding:
    """Let the check with the least slack decide, and count the others that fail."""
    decided = min(checks, key=lambda check: check.slack)
    missed = sum(check.slack < 0 for check in checks)
    words = decided.explanation + (f"; {missed - 1} more {more} fail" if missed > 1 else "")
    return Finding(decided.criterion, not missed, words, decided.value, decided.threshold)
