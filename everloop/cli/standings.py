"""Where a pipeline's retraining stands, for people: what waits, what is left of the day, who must look."""

from collections.abc import Iterator, Mapping
from typing import Any

from everloop.cli.output import say, when

Retraining = Mapping[str, Any]


def show_standing(pipeline: str, retraining: Retraining) -> None:
    """Print what is in the way of a pipeline's next run; nothing where nothing is."""
    for line in standing_lines(retraining):
        say(f"[bold]{pipeline}[/bold] {line}")


def standing_lines(retraining: Retraining) -> Iterator[str]:
    """Write a sentence on each thing that is in the way, or that limits the next run."""
    from rich.markup import escape

    if retraining["escalated_at"] and (lost := retraining["degraded"]):
        yield (
            f"[red]needs a person[/red]: {escape(lost['reason'])}; "
            f"{_times(len(retraining['refused']), 'run')} in a row led to no better model"
        )
    for one in retraining["waiting"]:
        yield f"waits with {one['cause']['kind']} since {when(one['heard_at'])}: {escape(one['detail'])}"
    for one in retraining["backoffs"]:
        after = _times(one["refusals"], "refusal")
        yield f"backs off from {one['kind']} until data of {when(one['until'])}, after {after}"
    if budget := retraining["budget"]:
        left = [
            _times(budget["runs_left"], "run") if budget["runs_left"] is not None else "",
            f"{budget['compute_left_s']:.0f} compute-seconds" if budget["compute_left_s"] is not None else "",
        ]
        yield f"has {' and '.join(filter(None, left))} left until {when(budget['ends_at'])}"
    if retraining["next_scheduled"]:
        yield f"is scheduled for {when(retraining['next_scheduled'])}"


def _times(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
