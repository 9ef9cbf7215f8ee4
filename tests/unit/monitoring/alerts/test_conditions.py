"""An alert is a condition: one while it lasts, counted, over when a fact or a person says so."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.alerts import (
    AlertCommandRefused,
    AlertKind,
    AlertRaised,
    AlertResolved,
    AlertSnoozed,
    ResolveAlert,
    Severity,
    SnoozeAlert,
)
from contracts.message import Event
from contracts.monitoring import Breakage, DataBroken, DriftDetected, QualityDegraded
from contracts.registry import ModelVersionPromoted, ModelVersionRejected, PromotionKind
from contracts.serving import RolloutPaused
from contracts.training import (
    FailureReason,
    RetrainingEscalated,
    SkipReason,
    TrainingRunFailed,
    TrainingRunSkipped,
    TrainingRunStarted,
    TrainingRunSucceeded,
)
from services.monitoring.alerts.domain import Alert
from services.monitoring.alerts.handlers import READINGS
from services.monitoring.alerts.ports import Route, Routing
from tests.contracts import examples
from tests.fakes.monitoring.alerts import NOON, TRACE, Desk

HOUR = timedelta(hours=1)
EXAMPLES = {type(message): message for message in examples.every_message()}
PIPELINE = examples.PIPELINE


def said(kind: type[Event], /, **changes: Any) -> Any:
    return EXAMPLES[kind].model_copy(update=changes)


async def only(desk: Desk) -> Alert:
    (alert,) = await desk.open()
    return alert


async def test_the_same_condition_is_one_alert_with_a_count() -> None:
    desk = Desk(oncall=Route())

    (first,) = await desk.hear(said(QualityDegraded), at=NOON)
    (second,) = await desk.hear(said(QualityDegraded, value=0.5), at=NOON + HOUR)

    alert = await only(desk)
    assert isinstance(first, AlertRaised)
    assert isinstance(second, AlertRaised)
    assert (first.occurrences, second.occurrences) == (1, 2)
    assert first.alert_id == second.alert_id == alert.id
    assert (alert.first_at, alert.last_at) == (NOON, NOON + HOUR)
    assert "auc 0.5 " in alert.finding.title
    assert await desk.notices() == [("oncall", "raised")]


async def test_what_lasts_is_told_again_after_a_day() -> None:
    desk = Desk(oncall=Route())

    for hours in (0, 23, 24, 25):
        await desk.hear(said(QualityDegraded), at=NOON + hours * HOUR)

    assert await desk.notices() == [("oncall", "raised"), ("oncall", "reminded")]


async def test_pipelines_kinds_and_subjects_are_alerts_of_their_own() -> None:
    desk = Desk()

    await desk.hear(said(QualityDegraded))
    await desk.hear(said(QualityDegraded, pipeline="other"))
    await desk.hear(said(QualityDegraded, version=3))
    await desk.hear(said(DriftDetected))

    assert len(await desk.open()) == 4


async def test_the_opposite_fact_ends_it_and_those_who_knew_are_told() -> None:
    desk = Desk(oncall=Route(), quiet=Route(tell_resolved=False), elsewhere=Route(pipelines=frozenset({"other"})))
    await desk.hear(said(TrainingRunFailed, reason=FailureReason.CRASHED))

    (over,) = await desk.hear(said(TrainingRunSucceeded), at=NOON + HOUR)

    assert isinstance(over, AlertResolved)
    assert (over.resolved_by, over.reason) == ("monitoring", f"run {examples.RUN} succeeded")
    assert await desk.open() == []
    assert await desk.notices() == [("oncall", "raised"), ("quiet", "raised"), ("oncall", "resolved")]


async def test_facts_that_come_in_the_wrong_order_end_the_same() -> None:
    failed = said(TrainingRunFailed, reason=FailureReason.CRASHED)
    desk = Desk()

    await desk.hear(said(TrainingRunSucceeded), at=NOON + HOUR)
    late = await desk.hear(failed, at=NOON)
    await desk.hear(failed, at=NOON + 2 * HOUR)
    early = await desk.hear(said(TrainingRunSucceeded), at=NOON + HOUR)

    assert late == early == []
    assert (await only(desk)).first_at == NOON + 2 * HOUR


@pytest.mark.parametrize("first", ["promoted", "degraded"])
async def test_what_is_wrong_with_a_former_champion_concerns_nobody(first: str) -> None:
    promoted, degraded = said(ModelVersionPromoted, version=3), said(QualityDegraded, version=2)
    desk = Desk()

    for message in (promoted, degraded) if first == "promoted" else (degraded, promoted):
        await desk.hear(message)

    assert await desk.open() == []


async def test_an_older_promotion_heard_late_changes_no_champion() -> None:
    desk = Desk()

    await desk.hear(said(ModelVersionPromoted, version=3), at=NOON + HOUR)
    await desk.hear(said(ModelVersionPromoted, version=2), at=NOON)
    await desk.hear(said(QualityDegraded, version=3), at=NOON + 2 * HOUR)

    assert (await only(desk)).finding.version == 3


async def test_a_rollback_by_hand_forgets_no_refused_candidate() -> None:
    desk = Desk()

    await desk.hear(said(ModelVersionRejected, rejected_by="gates"))
    await desk.hear(said(ModelVersionPromoted, kind=PromotionKind.ROLLBACK), at=NOON + HOUR)
    assert (await only(desk)).finding.kind is AlertKind.VERSION_REJECTED
    await desk.hear(said(ModelVersionPromoted, kind=PromotionKind.GATES), at=NOON + 2 * HOUR)

    assert await desk.open() == []


async def test_what_a_person_did_raises_nothing() -> None:
    desk = Desk()

    await desk.hear(said(TrainingRunFailed, reason=FailureReason.CANCELLED))
    await desk.hear(said(ModelVersionRejected, rejected_by="ada"))
    await desk.hear(said(RolloutPaused, paused_by="ada"))

    assert await desk.open() == []


async def test_a_trigger_that_only_notifies_tells_people_until_somebody_trains() -> None:
    desk = Desk(oncall=Route())

    await desk.hear(said(TrainingRunSkipped, reason=SkipReason.COOLDOWN))
    assert await desk.open() == []
    await desk.hear(said(TrainingRunSkipped, reason=SkipReason.POLICY))
    assert (await only(desk)).finding.command == f"everloop train {PIPELINE}"
    await desk.hear(said(TrainingRunStarted), at=NOON + HOUR)

    assert await desk.notices() == [("oncall", "raised"), ("oncall", "resolved")]


async def test_retraining_that_does_not_help_is_a_persons_business_until_a_version_is_promoted() -> None:
    desk = Desk()

    await desk.hear(said(RetrainingEscalated, champion_version=2))
    assert (await only(desk)).finding.severity is Severity.CRITICAL
    await desk.hear(said(ModelVersionPromoted, version=2, kind=PromotionKind.ROLLBACK), at=NOON + HOUR)
    assert len(await desk.open()) == 1
    await desk.hear(said(ModelVersionPromoted, version=3), at=NOON + 2 * HOUR)

    assert await desk.open() == []


async def test_a_person_resolves_and_seen_again_it_is_raised_anew() -> None:
    desk = Desk(oncall=Route())
    await desk.hear(said(QualityDegraded))
    alert = await only(desk)
    word = {"pipeline": PIPELINE, "alert_id": alert.id, "resolved_by": "ada", "reason": "a known strike"}

    (over,) = await desk.hear(ResolveAlert(**word))
    (refused,) = await desk.hear(ResolveAlert(**word))
    await desk.hear(said(QualityDegraded), at=NOON + HOUR)

    assert isinstance(over, AlertResolved)
    assert (over.resolved_by, over.reason) == ("ada", "a known strike")
    assert isinstance(refused, AlertCommandRefused)
    assert refused.rule == "alert_is_over"
    assert (await only(desk)).id != alert.id
    assert (await desk.notices()).count(("oncall", "raised")) == 2


async def test_snoozed_it_is_counted_and_nobody_is_told() -> None:
    desk = Desk(oncall=Route())
    await desk.hear(said(QualityDegraded))
    alert = await only(desk)
    word = {"pipeline": PIPELINE, "alert_id": alert.id, "snoozed_by": "ada", "reason": "a strike"}

    (sleeps,) = await desk.hear(SnoozeAlert(until=NOON + 100 * HOUR, **word))
    (over,) = await desk.hear(SnoozeAlert(until=NOON, **word))
    await desk.hear(said(QualityDegraded), at=NOON + 50 * HOUR)

    assert isinstance(sleeps, AlertSnoozed)
    assert (sleeps.snoozed_by, sleeps.reason, sleeps.until) == ("ada", "a strike", NOON + 100 * HOUR)
    assert isinstance(over, AlertCommandRefused)
    assert over.rule == "snooze_is_over"
    assert (await only(desk)).occurrences == 2
    assert await desk.notices() == [("oncall", "raised")]


async def test_an_unknown_alert_and_one_of_another_pipeline_are_refused() -> None:
    desk = Desk()
    await desk.hear(said(QualityDegraded))
    alert = await only(desk)

    for pipeline, identity in ((PIPELINE, uuid4()), ("other", alert.id)):
        word = ResolveAlert(pipeline=pipeline, alert_id=identity, resolved_by="ada", reason="x")
        (refused,) = await desk.hear(word)
        assert isinstance(refused, AlertCommandRefused)
        assert refused.rule == "alert_not_found"


async def test_drift_wakes_nobody_and_what_broke_does() -> None:
    desk = Desk(oncall=Route())

    await desk.hear(said(DriftDetected))
    await desk.hear(said(DataBroken))
    await desk.hear(said(DataBroken, breakage=Breakage.INPUT))

    assert [one.finding.kind for one in await desk.open()].count(AlertKind.DATA_BROKEN) == 2
    assert await desk.notices() == [("oncall", "raised")] * 2


async def test_channels_choose_by_severity_pipeline_and_kind() -> None:
    desk = Desk(
        all=Route(min_severity=Severity.INFO),
        urgent=Route(min_severity=Severity.CRITICAL),
        data=Route(min_severity=Severity.INFO, kinds=frozenset({AlertKind.INPUT_DRIFT})),
        other=Route(pipelines=frozenset({"other"})),
    )

    await desk.hear(said(DriftDetected))
    await desk.hear(said(QualityDegraded), at=NOON + HOUR)

    assert sorted(await desk.notices()) == [
        ("all", "raised"),
        ("all", "raised"),
        ("data", "raised"),
        ("urgent", "raised"),
    ]


async def test_how_severe_a_kind_is_can_be_set() -> None:
    desk = Desk()
    desk.routing = Routing(severities={AlertKind.QUALITY_DEGRADED: Severity.INFO})

    await desk.hear(said(QualityDegraded))

    assert (await only(desk)).finding.severity is Severity.INFO


@pytest.mark.parametrize("kind", READINGS, ids=lambda kind: kind.__name__)
async def test_every_fact_is_understood(kind: type[Event]) -> None:
    desk = Desk()

    await desk.hear(EXAMPLES[kind])

    for alert in await desk.open():
        assert alert.finding.command.startswith("everloop ")
        assert alert.trace_id == TRACE
        assert all((alert.finding.title, alert.finding.certainty, alert.finding.action))
