"""Whether replicas are what is desired of them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.message import Message
from contracts.serving import DeploymentConverged, DeploymentDiverged
from services.serving.desired import DesiredState, ReplicaReport
from services.serving.domain import Deployment, HoldState

MOST_DIFFERENCES = 100


def differences(
    desired: DesiredState, reports: Sequence[ReplicaReport], *, replicas: int, on_the_way: Collection[int]
) -> tuple[str, ...]:
    """Find what differs, a sentence each.

    Args:
        desired: What replicas shall be.
        reports: What those that live say they are.
        replicas: How many there shall be at least.
        on_the_way: Versions that replicas may still be loading.
    """
    found = [f"{len(reports)} of {replicas} replicas live"] if len(reports) < replicas else []
    for report in reports:
        held = {(one.version, one.rollout_id): one.state for one in report.held}
        for one in desired.versions:
            state = held.get((one.version, one.rollout_id))
            if state is not HoldState.LOADED and one.version not in on_the_way:
                found.append(f"replica {report.replica} does not hold version {one.version}: {state or 'not begun'}")
        if desired.answering and report.answering != desired.answering:
            answers = report.answering or "none"
            found.append(f"replica {report.replica} answers with version {answers}, not {desired.answering}")
    return tuple(found[:MOST_DIFFERENCES])


def judge_divergence(
    deployment: Deployment, found: tuple[str, ...], *, since: datetime, now: datetime, patience: timedelta
) -> tuple[Deployment, Message | None]:
    """Find what there is to say about a model's replicas: once that they diverged, once that they do no more.

    Args:
        deployment: The model.
        found: What differs.
        since: Since when something does, without a break.
        now: The time.
        patience: How long something may differ; a replica that starts or flips does for a moment.
    """
    begun = deployment.diverged_since
    if found and begun is None and now - since >= patience:
        fact = DeploymentDiverged(pipeline=deployment.pipeline, since=since, differences=found)
        return replace(deployment, diverged_since=since), fact
    if not found and begun:
        duration_s = max(0.0, (now - begun).total_seconds())
        over = DeploymentConverged(pipeline=deployment.pipeline, diverged_since=begun, duration_s=duration_s)
        return replace(deployment, diverged_since=None), over
    return deployment, None
