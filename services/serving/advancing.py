"""How a rollout goes on: pure, from its record and what its replicas say.

    pending ─▶ loading ─▶ stepping ─▶ … ─▶ flipping ─▶ baking ─▶ completed
       │          │      (shadow, canary)      │          │
       └──────────┴───────────┴────────────────┴──────────┴───▶ rolled_back | superseded

Up to flipping the former version answers; from then on the new one. While it bakes the way back is one move. Paused
and hastened are no states: a paused rollout does everything but go on, a hastened one skips what is left of its plan,
but never the loading, which verifies.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from contracts.rollout import WhenQuiet
from services.chassis.errors import RejectedError
from services.serving.domain import (
    BEFORE_FLIP,
    OPEN,
    Deployment,
    Fleet,
    HoldState,
    Replica,
    Rollout,
    RolloutState,
)
from services.serving.traffic import NOTHING, Arms

LONGEST_REASON = 2000
LONGEST_FLIP = timedelta(minutes=5)
MOST_REPLACED = 5
"""Replicas that die in one stage, however few there are, before it is the version's doing."""


def advance(
    rollout: Rollout,
    deployment: Deployment,
    fleet: Fleet,
    *,
    answering: int | None = None,
    flip_timeout: timedelta = LONGEST_FLIP,
    now: datetime,
) -> Rollout:
    """Take a rollout as far as what its replicas say allows, one state or step at most.

    Args:
        rollout: The rollout as it is on record.
        deployment: Its model.
        fleet: What runs of the model, and what it was seen to do.
        answering: The version that answers now.
        flip_timeout: Longest that its version may need to have all traffic, once it is to.
        now: The time.
    """
    match rollout.state:
        case RolloutState.PENDING:
            return _begin(rollout, fleet, answering, now)
        case RolloutState.LOADING:
            return _watch_loading(rollout, deployment, fleet, now)
        case RolloutState.STEPPING | RolloutState.BAKING:
            return _watch_stage(rollout, deployment, fleet, now)
        case RolloutState.FLIPPING:
            return _watch_flipping(rollout, deployment, fleet, flip_timeout, now)
        case RolloutState.COMPLETED | RolloutState.ROLLED_BACK | RolloutState.SUPERSEDED:
            return rollout
        case _:
            assert_never(rollout.state)


def supersede(rollout: Rollout, newer: int, *, now: datetime) -> Rollout:
    """End a rollout because a newer promotion came; what answered before it answers everything again."""
    detail = f"superseded by version {newer}"
    return replace(rollout, state=RolloutState.SUPERSEDED, finished_at=now, detail=detail)


def roll_back(rollout: Rollout, detail: str, *, now: datetime) -> Rollout:
    """End a rollout because its version did not pass."""
    return replace(rollout, state=RolloutState.ROLLED_BACK, finished_at=now, detail=detail[:LONGEST_REASON])


def pause(rollout: Rollout) -> Rollout:
    """Let a rollout stay where it is.

    Raises:
        RejectedError: It is over, paused already, or its version has all traffic and no stage to stay in.
    """
    _must_be_open(rollout)
    if rollout.paused:
        raise RejectedError("already_paused", version=rollout.version)
    if rollout.state is RolloutState.FLIPPING:
        raise RejectedError("traffic_moves", version=rollout.version)
    return replace(rollout, paused=True)


def resume(rollout: Rollout, *, now: datetime) -> Rollout:
    """Let a paused rollout go on; the time to load, or of its step, begins anew, and what was seen stays.

    Raises:
        RejectedError: It is over, or not paused.
    """
    _must_be_open(rollout)
    if not rollout.paused:
        raise RejectedError("not_paused", version=rollout.version)
    started_at = now if rollout.state is RolloutState.LOADING else rollout.started_at
    return replace(rollout, paused=False, detail="", started_at=started_at, evidence=rollout.evidence.restart(now))


def hasten(rollout: Rollout, *, now: datetime) -> Rollout:
    """Skip what is left of a rollout's plan.

    Raises:
        RejectedError: It is over, or nothing is left to skip.
    """
    _must_be_open(rollout)
    if rollout.hastened or (rollout.state is RolloutState.FLIPPING and not rollout.plan.bake):
        raise RejectedError("nothing_to_skip", version=rollout.version)
    return replace(resume(rollout, now=now) if rollout.paused else rollout, hastened=True)


def abort(rollout: Rollout, deployment: Deployment, detail: str, *, now: datetime) -> Rollout:
    """Roll a rollout back by a person's word.

    Raises:
        RejectedError: It is over, or its version answers and there is none to go back to.
    """
    _must_be_open(rollout)
    if rollout.state not in BEFORE_FLIP and deployment.previous is None:
        raise RejectedError("no_way_back", version=rollout.version)
    return roll_back(rollout, detail, now=now)


def is_late(rollout: Rollout, deployment: Deployment, *, now: datetime) -> bool:
    """Tell whether the time to load a rollout's version is up."""
    return rollout.started_at is not None and now - rollout.started_at > timedelta(seconds=deployment.timeout_s)


def _must_be_open(rollout: Rollout) -> None:
    if rollout.state not in OPEN:
        raise RejectedError("rollout_over", version=rollout.version, state=rollout.state.value)


def _begin(rollout: Rollout, fleet: Fleet, answering: int | None, now: datetime) -> Rollout:
    # The clock of a rollout starts with its first replica: a cluster that is away delays it and fails nothing.
    if fleet.replicas:
        return replace(rollout, state=RolloutState.LOADING, started_at=now, previous_version=answering)
    if fleet.failure:
        return roll_back(rollout, f"the cluster could not start the model: {fleet.failure}", now=now)
    return rollout


def _watch_loading(rollout: Rollout, deployment: Deployment, fleet: Fleet, now: datetime) -> Rollout:
    if failure := _failure(rollout, fleet):
        return roll_back(rollout, failure, now=now)
    if _loaded(rollout, deployment, fleet):
        return rollout if rollout.paused else _go_on(rollout, now)
    # Whoever paused it has it wait for longer than that.
    if is_late(rollout, deployment, now=now) and not rollout.paused:
        return roll_back(rollout, _slow(rollout, deployment, fleet), now=now)
    return rollout


def _watch_stage(rollout: Rollout, deployment: Deployment, fleet: Fleet, now: datetime) -> Rollout:
    guard = rollout.plan.guard
    evidence = rollout.evidence.watch(now) if fleet.replicas else rollout.evidence
    seen = replace(rollout, evidence=evidence.hear(_reports(rollout, fleet), guard))
    # What answers is loaded again by a replica that failed to.
    if seen.state is RolloutState.STEPPING and (failure := _failure(seen, fleet)):
        return roll_back(seen, failure, now=now)
    faults = [f"{one.test.value}: {one.explanation}" for one in seen.evidence.verdicts(guard) if one.failed]
    # A version that takes its replica down with it leaves no count behind.
    if (replaced := len(seen.evidence.present.came_later)) > max(MOST_REPLACED, 2 * deployment.replicas):
        faults.append(f"{replaced} replicas died and were replaced")
    if faults and seen.is_guarded:
        return roll_back(seen, "; ".join(faults), now=now)
    if seen.paused or not _loaded(seen, deployment, fleet):
        return seen
    if seen.hastened:
        return _go_on(seen, now)
    return _wait(seen, now)


def _wait(rollout: Rollout, now: datetime) -> Rollout:
    stage, present = rollout.stage, rollout.evidence.present
    waited, asked = present.waited(now), present.total.candidate.requests
    if waited >= stage.bake and asked >= stage.min_requests:
        return _go_on(rollout, now)
    if stage.max_wait is None or waited < stage.max_wait:
        return rollout
    quiet = f"asked {asked} of {stage.min_requests} requests in {stage.max_wait.total_seconds():g} s"
    match rollout.plan.when_quiet:
        case WhenQuiet.GO_ON:
            return _go_on(rollout, now)
        case WhenQuiet.PAUSE:
            return replace(rollout, paused=True, detail=quiet)
        case WhenQuiet.ROLL_BACK:
            return roll_back(rollout, quiet, now=now)
        case _:
            assert_never(rollout.plan.when_quiet)


def _watch_flipping(
    rollout: Rollout, deployment: Deployment, fleet: Fleet, flip_timeout: timedelta, now: datetime
) -> Rollout:
    # As at its beginning, a cluster that is away delays it and fails nothing.
    seen = replace(rollout, flipping_since=(rollout.flipping_since or now) if fleet.replicas else None)
    late = seen.flipping_since is not None and now - seen.flipping_since > flip_timeout
    # Replicas are there before the front knows their way; completed means that a caller gets an answer.
    wanting = [f"{one.name} does not answer with it" for one in fleet.replicas if one.answering != rollout.version]
    wanting += [] if fleet.reachable else ["the front does not reach it"]
    # In the end, what every caller gets is not taken away because of a replica that is missing.
    enough = 1 if late else deployment.replicas
    if len(fleet.replicas) >= enough and not wanting:
        return _go_on(replace(seen, replicas=len(fleet.replicas)), now)
    if late:
        return roll_back(
            seen, f"not all traffic within {flip_timeout.total_seconds():g} s: {', '.join(wanting)}", now=now
        )
    return seen


def _go_on(rollout: Rollout, now: datetime) -> Rollout:
    """Enter the next stage, or what comes where there is none."""
    following = 0 if rollout.step is None else rollout.step + 1
    kind = rollout.stages[following].kind if following < len(rollout.stages) and not rollout.hastened else None
    flipped = rollout.state not in BEFORE_FLIP
    if flipped and kind is None:
        return replace(rollout, state=RolloutState.COMPLETED, finished_at=now)
    if not flipped and kind in (None, "bake"):
        return replace(rollout, state=RolloutState.FLIPPING)
    state = RolloutState.BAKING if flipped else RolloutState.STEPPING
    return replace(rollout, state=state, evidence=rollout.evidence.begin(following, now, rollout.plan.guard))


def _failure(rollout: Rollout, fleet: Fleet) -> str | None:
    for replica in sorted(fleet.replicas, key=lambda one: one.name):
        held = replica.holds(rollout)
        if held and held.state is HoldState.FAILED:
            return f"replica {replica.name}: {held.detail}"
    return None


def _has_loaded(replica: Replica, rollout: Rollout) -> bool:
    held = replica.holds(rollout)
    return held is not None and held.state is HoldState.LOADED


def _loaded(rollout: Rollout, deployment: Deployment, fleet: Fleet) -> bool:
    return len(fleet.replicas) >= deployment.replicas and all(_has_loaded(one, rollout) for one in fleet.replicas)


def _reports(rollout: Rollout, fleet: Fleet) -> dict[str, Arms]:
    step, versions = rollout.evidence.present.step, (rollout.version, rollout.previous_version)
    reports = {}
    for replica in fleet.replicas:
        ours, theirs = (replica.traffic.get((rollout.id, step, version or 0), NOTHING) for version in versions)
        reports[replica.name] = Arms(candidate=ours, champion=theirs)
    return reports


def _slow(rollout: Rollout, deployment: Deployment, fleet: Fleet) -> str:
    late = sorted(replica.name for replica in fleet.replicas if not _has_loaded(replica, rollout))
    who = ", ".join(late) or f"{deployment.replicas - len(fleet.replicas)} that did not start"
    return f"not loaded within {deployment.timeout_s:g} s by {who}"
