"""Draws conclusions from what the handlers counted: a reconciler that judges windows and tells what it found."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.bundle import BundleFile
from contracts.message import Message
from contracts.monitoring import Breakage, DataBroken, DriftDetected, DriftKind, QualityDegraded
from contracts.pipeline import Monitors as Watch
from services.chassis.subscriptions import Cause
from services.chassis.work import Transaction, Work
from services.monitoring.comparing import compare, look_back, outdated
from services.monitoring.domain import Monitor, WatchedVersion, Window, moment
from services.monitoring.drift import DriftOutcome, DriftVerdict
from services.monitoring.evidence import Evidence
from services.monitoring.ports import Monitors, Predictions, Versions, Windows
from services.monitoring.quality import Labelled, QualityVerdict, judge_quality
from services.monitoring.sequence import begin, reference_of, resume

TOLD_QUALITY = "quality"
AT_ONCE = 20
"""Windows judged in one step; handlers get a word in between two steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A window as it was read, with those before it and what its quality is judged by, as far as that is due."""

    monitor: Monitor
    version: WatchedVersion
    window: Window
    past: tuple[Window, ...]
    labelled: Labelled | None


async def judge_windows(work: Work) -> None:
    """Judge the windows that are closed and have changed since; tell each fact once per window.

    Judging happens between two short transactions. What a handler adds meanwhile is not lost: the verdict says
    how many rows and labels it has seen, so the window stays due.
    """
    async with work.transaction(write=False) as transaction:
        cases = await _open_cases(transaction)
    for case in cases:
        judged = await asyncio.to_thread(judge, case)
        async with work.transaction() as transaction:
            await _close_case(transaction, case, judged)


def judge(case: Case) -> Window:
    """Put the verdicts that are due into the window; quality is not weighed in the sequence of windows yet."""
    window, watch = case.window, case.monitor.declared.monitors
    if window.drift_is_due(case.monitor):
        drift = compare(window, case.past, case.version, case.monitor.declared)
        window = replace(window, drift=drift, drift_rows=window.predictions)
    if window.quality_is_due(case.monitor):
        quality = _quality(case, watch) if case.labelled else None
        window = replace(
            window,
            quality=quality,
            quality_rows=window.predictions if quality else None,
            quality_changes=window.label_changes if quality else None,
        )
    return window


def facts_of(case: Case, judged: Window) -> dict[str, tuple[Message, Cause | None]]:
    """Say what the verdicts amount to: by what is told, the fact and the message that led to it."""
    facts: dict[str, tuple[Message, Cause | None]] = {}
    for kind, verdict in judged.drift.items():
        if verdict.outcome is DriftOutcome.ALARM:
            facts[kind.value] = _drift_detected(case, judged, kind, verdict), case.monitor.served_by
        for breakage, found in ((Breakage(kind.value), verdict.recent), (Breakage.FAULT, verdict.faults)):
            if found and found.outcome is DriftOutcome.ALARM:
                facts[f"broken_{breakage.value}"] = _data_broken(case, judged, breakage, found), case.monitor.served_by
    if judged.quality and judged.quality.evidence and judged.quality.evidence.alarms:
        fact = _quality_degraded(case, judged, judged.quality, judged.quality.evidence)
        facts[TOLD_QUALITY] = fact, case.monitor.labelled_by
    return facts


async def _open_cases(transaction: Transaction) -> list[Case]:
    monitors, versions = transaction.port(Monitors), transaction.port(Versions)
    cases: list[Case] = []
    for pipeline, number, window in await transaction.port(Windows).due():
        monitor = await monitors.get(pipeline)
        if len(cases) == AT_ONCE or monitor is None:
            break
        quality = window.quality_is_due(monitor)
        drift = window.drift_is_due(monitor)
        if not (quality or drift):
            continue
        past, labelled = [], None
        if drift:
            since = look_back(window, monitor.declared.monitors.trailing)
            past = await transaction.port(Windows).between(window.version_key, since, window.start)
        if quality and window.is_ripe(monitor):
            labelled = await transaction.port(Predictions).labelled(window.version_key, window.start, window.end)
        cases.append(Case(monitor, await versions.see(pipeline, number), window, tuple(past), labelled))
    return cases


async def _close_case(transaction: Transaction, case: Case, judged: Window) -> None:
    windows = transaction.port(Windows)
    await transaction.port(Monitors).lock(case.monitor.pipeline)
    trailing = case.monitor.declared.monitors.trailing
    around = await windows.between(judged.version_key, look_back(judged, trailing))
    now, *later = (window for window in around if window.start >= judged.start)
    if judged.drift_rows != case.window.drift_rows:
        now = replace(now, drift=judged.drift, drift_rows=judged.drift_rows)
        again = {window.start for window in outdated(around, trailing)}
        later = [replace(window, drift_rows=0) if window.start in again else window for window in later]
    now = replace(now, quality=judged.quality, quality_rows=judged.quality_rows, quality_changes=judged.quality_changes)
    weighed = await _in_sequence(windows, case, [now, *later])
    for was, window in zip(around[-len(weighed) :], weighed, strict=True):
        changed = (window.quality, window.drift_rows) != (was.quality, was.drift_rows)
        if not changed and window.start != judged.start:
            continue
        facts = {told: fact for told, fact in facts_of(case, window).items() if told not in window.told}
        await windows.save([replace(window, told=window.told | facts.keys())])
        for fact, cause in facts.values():
            transaction.say(fact, cause=cause)


async def _in_sequence(windows: Windows, case: Case, changed: Sequence[Window]) -> list[Window]:
    """Weigh the quality of a window again, and that of all after it: each goes by those before it."""
    earlier = await windows.before(case.version.key, changed[0].start)
    if earlier is None:
        baseline, metric = case.version.baseline, case.monitor.declared.quality_metric
        assert baseline, "only versions with a reference have windows"
        before: Evidence | None = begin(baseline.reference.quality_blocks.get(metric, ()))
    else:
        before = earlier.quality.evidence if earlier.quality else None
    verdicts = resume(
        before,
        [window.quality for window in changed],
        run_length=case.monitor.declared.monitors.quality_run_length,
    )
    return [replace(window, quality=verdict) for window, verdict in zip(changed, verdicts, strict=True)]


def _quality(case: Case, watch: Watch) -> QualityVerdict:
    assert case.version.baseline
    assert case.labelled
    return judge_quality(
        case.labelled,
        predictions=case.window.predictions,
        metric=case.monitor.declared.quality_metric,
        reference=reference_of(case.version.baseline.reference, case.monitor.declared.quality_metric),
        max_drop=watch.max_quality_drop,
        confidence=watch.confidence,
        min_rows=watch.min_rows,
    )


def _drift_detected(case: Case, window: Window, kind: DriftKind, verdict: DriftVerdict) -> DriftDetected:
    uri = f"{case.version.bundle_uri}/{BundleFile.REFERENCE.value}"
    return DriftDetected.model_validate({**_grounds(case, window, verdict), "drift": kind, "reference_uri": uri})


def _data_broken(case: Case, window: Window, breakage: Breakage, verdict: DriftVerdict) -> DataBroken:
    return DataBroken.model_validate({**_grounds(case, window, verdict), "breakage": breakage})


def _grounds(case: Case, window: Window, verdict: DriftVerdict) -> dict[str, object]:
    told = ("rows", "statistic", "threshold", "false_alarm_rate", "effect", "blocks", "reference_rows", "shifts")
    return {
        "pipeline": case.monitor.pipeline,
        "version": case.version.number,
        "window_start": moment(window.start),
        "window_end": moment(window.end),
        **{name: getattr(verdict, name) for name in told},
    }


def _quality_degraded(case: Case, window: Window, verdict: QualityVerdict, evidence: Evidence) -> QualityDegraded:
    measured = {"metric", "value", "low", "high", "reference", "threshold", "predictions", "labelled"}
    return QualityDegraded.model_validate(
        {
            "pipeline": case.monitor.pipeline,
            "version": case.version.number,
            "window_start": moment(window.start),
            "window_end": moment(window.end),
            **verdict.model_dump(include=measured),
            "statistic": evidence.statistic,
            "statistic_threshold": evidence.threshold,
            "run_length": evidence.threshold,
            "p": evidence.p,
            "blocks": evidence.blocks,
        }
    )
