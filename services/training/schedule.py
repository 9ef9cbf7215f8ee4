"""When schedules fall due. What was missed while nobody looked falls due once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from contracts.pipeline import Trigger
from services.chassis.errors import MalformedError


def check(trigger: Trigger) -> None:
    """Refuse a trigger whose clock nobody can read.

    Raises:
        MalformedError: Its time zone is not known here, or its cron expression means nothing, or never comes.
    """
    zone = zone_of(trigger.time_zone)
    if trigger.cron is None:
        return
    try:
        next(CronSim(trigger.cron, datetime.now(zone)))
    except CronSimError as error:
        raise MalformedError("cron_unreadable", cron=trigger.cron, why=str(error)) from error
    except StopIteration:
        raise MalformedError("cron_never_comes", cron=trigger.cron) from None


def zone_of(name: str) -> ZoneInfo:
    """Get a time zone by its name.

    Raises:
        MalformedError: It is not known here.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise MalformedError("time_zone_unknown", time_zone=name) from error


def fallen_due(trigger: Trigger, *, last_turn: datetime, last_run: datetime | None, now: datetime) -> datetime | None:
    """Say when a schedule last fell due, if it has.

    Args:
        trigger: One with ``every`` or ``cron`` set.
        last_turn: When the schedule last spoke, else when the pipeline was registered.
        last_run: When the latest run began: ``every`` counts from there, cron does not care.
        now: The present.
    """
    if trigger.cron is not None:
        turn = _latest(trigger, now)
        return turn if turn and turn > last_turn else None
    due = next_turn(trigger, last_turn=last_turn, last_run=last_run, now=now)
    return due if due and due <= now else None


def next_turn(trigger: Trigger, *, last_turn: datetime, last_run: datetime | None, now: datetime) -> datetime | None:
    """Say when a schedule falls due next; in the past where it has, and nobody has looked yet."""
    if trigger.cron is not None:
        return next(_turns(trigger, now), None)
    return max(last_turn, last_run or last_turn) + trigger.every if trigger.every else None


def _latest(trigger: Trigger, now: datetime) -> datetime | None:
    backwards = _turns(trigger, now, reverse=True)
    latest = next(backwards, None)
    if latest is None:
        return None
    # Backwards, what falls into a repeated hour is passed over: from there on, forwards again.
    for turn in _turns(trigger, latest):
        if turn > now:
            break
        latest = turn
    return latest


def _turns(trigger: Trigger, start: datetime, *, reverse: bool = False) -> Iterator[datetime]:
    """List the turns after a moment, or before it, the moment itself not included."""
    local = start.astimezone(zone_of(trigger.time_zone))
    turns = (turn.astimezone(UTC) for turn in CronSim(trigger.cron or "", local, reverse=reverse))
    # Begun in the second of two hours of one name, the list has what the first of them had.
    return (turn for turn in turns if (turn < start if reverse else turn > start))
