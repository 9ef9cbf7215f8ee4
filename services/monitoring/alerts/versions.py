"""What facts about versions on their way to the traffic mean for alerts."""

from collections.abc import Mapping

from contracts.alerts import AlertKind, Finding, Severity
from contracts.message import Event
from contracts.registry import (
    ModelVersionAwaitingApproval,
    ModelVersionDemoted,
    ModelVersionPromoted,
    ModelVersionRejected,
    PromotionKind,
)
from contracts.serving import (
    DeploymentConverged,
    DeploymentDiverged,
    RolloutHastened,
    RolloutPaused,
    RolloutResumed,
    RolloutRolledBack,
)
from services.chassis.subscriptions import Cause
from services.monitoring.alerts.domain import Effect, Relief, Succession
from services.monitoring.alerts.reading import SHOWN, TRAINING, Effects, Reading, clip

CANDIDATES, ROLLOUT, REPLICAS = "candidates", "rollout", "replicas"
REFUSED_BY_RULE = frozenset({"gates", "verification"})
PAUSED_BY_RULE = "policy:"
"""How a rollout begins to say who paused it, where no person did."""


def _model_version_awaiting_approval(event: ModelVersionAwaitingApproval, cause: Cause) -> Effects:
    people = "a person" if event.approvals == 1 else f"{event.approvals} people"
    limit = f" Refused if nobody does by {event.expires_at:%Y-%m-%d %H:%M} UTC." if event.expires_at else ""
    return (
        Finding(
            kind=AlertKind.VERSION_AWAITS_APPROVAL,
            about=f"version {event.version}",
            severity=Severity.WARNING,
            title=f"{event.pipeline} {event.version} waits for {people} to approve it",
            since=event.decided_at or cause.said_at,
            certainty=clip(f"Certain: {event.reason}.{limit}", 1000),
            action="Look what its gates said, and approve or reject it.",
            command=f'everloop approve {event.pipeline} {event.version} --reason "…"',
        ),
    )


def _model_version_rejected(event: ModelVersionRejected, cause: Cause) -> Effects:
    over: tuple[Effect, ...] = ()
    if event.version:
        over = (Relief(AlertKind.VERSION_AWAITS_APPROVAL, f"version {event.version}", clip(event.reason, 1000)),)
    if event.rejected_by not in REFUSED_BY_RULE:
        return over
    name = f"{event.pipeline} {event.version}" if event.version else f"A candidate of {event.pipeline}"
    return (
        *over,
        Finding(
            kind=AlertKind.VERSION_REJECTED,
            about=CANDIDATES,
            severity=Severity.INFO,
            title=clip(f"{name} was refused: {event.reason}", 300),
            since=event.decided_at or cause.said_at,
            certainty=f"Refused by {event.rejected_by}; the verdicts tell value, threshold and data of each.",
            action="Nothing changed in production; look what the candidate lacks.",
            command=f"everloop models {event.pipeline}" if event.version else f"everloop why {event.run_id}",
        ),
    )


def _model_version_promoted(event: ModelVersionPromoted, cause: Cause) -> Effects:
    by = clip(f"version {event.version} was promoted by {event.promoted_by}", 1000)
    effects: Effects = (
        Succession(event.version),
        Relief(AlertKind.VERSION_AWAITS_APPROVAL, f"version {event.version}", by),
    )
    if event.kind is PromotionKind.ROLLBACK:
        return effects
    return (
        *effects,
        Relief(AlertKind.VERSION_REJECTED, CANDIDATES, by),
        Relief(AlertKind.ROLLOUT_ROLLED_BACK, ROLLOUT, by),
        Relief(AlertKind.RETRAINING_ESCALATED, TRAINING, by),
    )


def _model_version_demoted(event: ModelVersionDemoted, cause: Cause) -> Effects:
    return (Succession(event.champion_version),) if event.champion_version else ()


def _rollout_rolled_back(event: RolloutRolledBack, cause: Cause) -> Effects:
    over = Relief(AlertKind.ROLLOUT_PAUSED, ROLLOUT, "it was rolled back")
    if event.superseded:
        return (over,)
    answers = f"version {event.serving_version} answers" if event.serving_version else "no version answers"
    failed = [one for one in event.verdicts if one.failed]
    tests = " ".join(
        f"Test {one.test}: evidence {one.statistic:.3g} of the needed {one.threshold:.3g}, "
        f"{one.candidate_requests} requests against {one.champion_requests}."
        for one in failed
    )
    return (
        over,
        Finding(
            kind=AlertKind.ROLLOUT_ROLLED_BACK,
            about=ROLLOUT,
            severity=Severity.CRITICAL,
            title=clip(f"{event.pipeline} {event.version} was rolled back: {event.reason}", 300),
            since=event.promoted_at or cause.said_at,
            certainty=clip(tests or "Certain: no test of chance led to it.", 1000),
            action=f"Nothing is urgent: {answers}. Look why the version did not hold.",
            command=f"everloop rollout show {event.pipeline}",
        ),
    )


def _rollout_paused(event: RolloutPaused, cause: Cause) -> Effects:
    if not event.paused_by.startswith(PAUSED_BY_RULE):
        return ()
    return (
        Finding(
            kind=AlertKind.ROLLOUT_PAUSED,
            about=ROLLOUT,
            severity=Severity.WARNING,
            title=clip(f"The rollout of {event.pipeline} {event.version} waits for a person: {event.reason}", 300),
            since=cause.said_at,
            certainty=clip(f"Certain: paused by {event.paused_by}.", 1000),
            action="Let it go on, or abort it.",
            command=f'everloop rollout resume {event.pipeline} --reason "…"',
        ),
    )


def _rollout_resumed(event: RolloutResumed, cause: Cause) -> Effects:
    return (Relief(AlertKind.ROLLOUT_PAUSED, ROLLOUT, clip(f"resumed by {event.resumed_by}", 1000)),)


def _rollout_hastened(event: RolloutHastened, cause: Cause) -> Effects:
    return (Relief(AlertKind.ROLLOUT_PAUSED, ROLLOUT, clip(f"hastened by {event.hastened_by}", 1000)),)


def _deployment_diverged(event: DeploymentDiverged, cause: Cause) -> Effects:
    shown = "; ".join(event.differences[:SHOWN])
    return (
        Finding(
            kind=AlertKind.DEPLOYMENT_DIVERGED,
            about=REPLICAS,
            severity=Severity.CRITICAL,
            title=clip(f"Replicas of {event.pipeline} are not what they should be: {shown}", 300),
            since=event.since,
            certainty=f"Certain: replicas report it themselves; {len(event.differences)} differences.",
            action="Look what holds the replicas up.",
            command="everloop status",
        ),
    )


def _deployment_converged(event: DeploymentConverged, cause: Cause) -> Effects:
    return (
        Relief(AlertKind.DEPLOYMENT_DIVERGED, REPLICAS, f"replicas are right again, after {event.duration_s:.0f} s"),
    )


READINGS: Mapping[type[Event], Reading] = {
    ModelVersionAwaitingApproval: _model_version_awaiting_approval,
    ModelVersionRejected: _model_version_rejected,
    ModelVersionPromoted: _model_version_promoted,
    ModelVersionDemoted: _model_version_demoted,
    RolloutRolledBack: _rollout_rolled_back,
    RolloutPaused: _rollout_paused,
    RolloutResumed: _rollout_resumed,
    RolloutHastened: _rollout_hastened,
    DeploymentDiverged: _deployment_diverged,
    DeploymentConverged: _deployment_converged,
}
