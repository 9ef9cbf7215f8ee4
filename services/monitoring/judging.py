"""Draws conclusions from what the handlers counted: a reconciler that judges windows and tells what it found."""

import asyncio
from dataclasses import dataclass, replace

from contracts.bundle import BundleFile
from contracts.message import Message
from contracts.monitoring import DriftDetected, DriftKind, QualityDegraded
from contracts.pipeline import Monitors as Watch
from services.chassis.subscriptions import Cause
from services.chassis.work import Transaction, Work
from services.monitoring.counting import FloatArray
from services.monitoring.domain import Monitor, WatchedVersion, Window, moment
from services.monitoring.drift import Comparison, DriftOutcome, DriftVerdict, judge_drift
from services.monitoring.ports import Monitors, Predictions, Versions, Windows
from services.monitoring.quality import QualityOutcome, QualityVerdict, judge_quality

TOLD_QUALITY = "quality"
AT_ONCE = 20
"""Windows judged in one step; handlers get a word in between two steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A window as it was read, with what its quality is judged by, if that is due."""

    monitor: Monitor
    version: WatchedVersion
    window: Window
    labelled: tuple[FloatArray, FloatArray] | None


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
    """Put the verdicts that are due into the window."""
    window, watch = case.window, case.monitor.declared.monitors
    if window.drift_is_due(case.monitor):
        drift = {
            kind: judge_drift(
                comparisons,
                false_alarm_rate=watch.false_alarm_rate,
                min_effect=watch.min_effect,
                min_rows=watch.min_rows,
            )
            for kind, comparisons in _comparisons(case).items()
        }
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
            facts[kind.value] = _drift_detected(case, kind, verdict), case.monitor.served_by
    if judged.quality and judged.quality.outcome is QualityOutcome.DEGRADED:
        facts[TOLD_QUALITY] = _quality_degraded(case, judged.quality), case.monitor.labelled_by
    return facts


async def _open_cases(transaction: Transaction) -> list[Case]:
    monitors, versions = transaction.port(Monitors), transaction.port(Versions)
    cases: list[Case] = []
    for pipeline, number, window in await transaction.port(Windows).due():
        monitor = await monitors.get(pipeline)
        if len(cases) == AT_ONCE or monitor is None:
            break
        quality = window.quality_is_due(monitor)
        if not (quality or window.drift_is_due(monitor)):
            continue
        labelled = None
        if quality and window.is_ripe(monitor):
            labelled = await transaction.port(Predictions).labelled(window.version_key, window.start, window.end)
        cases.append(Case(monitor, await versions.see(pipeline, number), window, labelled))
    return cases


async def _close_case(transaction: Transaction, case: Case, judged: Window) -> None:
    windows = transaction.port(Windows)
    await transaction.port(Monitors).lock(case.monitor.pipeline)
    now = (await windows.get(judged.version_key, [judged.start]))[judged.start]
    facts = {told: fact for told, fact in facts_of(case, judged).items() if told not in now.told}
    await windows.save(
        [
            replace(
                now,
                drift=judged.drift,
                drift_rows=judged.drift_rows,
                quality=judged.quality,
                quality_rows=judged.quality_rows,
                quality_changes=judged.quality_changes,
                told=now.told | facts.keys(),
            )
        ]
    )
    for fact, cause in facts.values():
        transaction.say(fact, cause=cause)


def _comparisons(case: Case) -> dict[DriftKind, list[Comparison]]:
    baseline, counts = case.version.baseline, case.window.counts
    assert baseline, "only versions with a reference have windows"
    ignored = {column.name for column in case.monitor.declared.dataset.columns if not column.monitored}
    by_kind = {
        DriftKind.INPUT: [feature for feature in baseline.inputs if feature.name not in ignored],
        DriftKind.PREDICTION: [baseline.score],
    }
    return {
        kind: [Comparison(feature.name, feature.block_counts, counts[feature.place]) for feature in features]
        for kind, features in by_kind.items()
        if features
    }


def _quality(case: Case, watch: Watch) -> QualityVerdict:
    assert case.version.baseline
    assert case.labelled
    scores, labels = case.labelled
    return judge_quality(
        scores,
        labels,
        predictions=case.window.predictions,
        metric=watch.quality_metric,
        reference=case.version.baseline.reference.quality.get(watch.quality_metric),
        max_drop=watch.max_quality_drop,
        confidence=watch.confidence,
        min_rows=watch.min_rows,
    )


def _drift_detected(case: Case, kind: DriftKind, verdict: DriftVerdict) -> DriftDetected:
    assert verdict.statistic is not None, "an alarm has grounds"
    assert verdict.threshold is not None, "an alarm has grounds"
    return DriftDetected(
        pipeline=case.monitor.pipeline,
        version=case.version.number,
        drift=kind,
        window_start=moment(case.window.start),
        window_end=moment(case.window.end),
        rows=verdict.rows,
        statistic=verdict.statistic,
        threshold=verdict.threshold,
        false_alarm_rate=verdict.false_alarm_rate,
        shifts=verdict.shifts,
        reference_uri=f"{case.version.bundle_uri}/{BundleFile.REFERENCE.value}",
    )


def _quality_degraded(case: Case, verdict: QualityVerdict) -> QualityDegraded:
    return QualityDegraded.model_validate(
        {
            "pipeline": case.monitor.pipeline,
            "version": case.version.number,
            "window_start": moment(case.window.start),
            "window_end": moment(case.window.end),
            **verdict.model_dump(exclude={"outcome"}),
        }
    )
