"""`everloop rollout`: versions on their way to the traffic."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError
from everloop.cli.output import Markup, number, pairs, say, show_json, table, when
from everloop.cli.session import outcome, with_platform

if TYPE_CHECKING:
    from contracts.message import Command, Message

ANSWER_LIMIT_S = 30.0
MARKS = {"over": "●", "present": "◉", "ahead": "○"}

app = typer.Typer(
    no_args_is_help=True, help="Watch versions on their way to the traffic; pause, promote or abort them."
)
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.", show_default=False)]
RolloutId = Annotated[
    str, typer.Argument(metavar="ROLLOUT", help="A model, for its newest rollout, or the beginning of a rollout's id.")
]


@app.command("list")
def list_rollouts(
    model: Annotated[str | None, typer.Argument(help="Only of this model.")] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List rollouts, newest first.

    Example: everloop rollout list flight_delays
    """
    found = _rollouts(home, model)
    if as_json:
        show_json(found)
        return
    table(
        ("Rollout", "Model", "Version", "State", "Plan", "Requested", "Detail"),
        (
            (
                one["rollout_id"][:8],
                one["pipeline"],
                one["version"],
                _state(one),
                picture(one),
                when(one["requested_at"]),
                one["detail"][:80],
            )
            for one in found
        ),
        empty="No rollouts yet.",
    )


@app.command()
def show(rollout: RolloutId, home: options.Home = None, as_json: options.Json = False) -> None:
    """Show a rollout: its steps, what was seen in each, and what the tests make of it.

    Example: everloop rollout show flight_delays
    """
    known = _rollouts(home, None)
    newest = next((one for one in known if one["pipeline"] == rollout), None)
    matches = [newest] if newest else [one for one in known if one["rollout_id"].startswith(rollout)]
    if len(matches) != 1:
        raise CommandError(f"{len(matches) or 'no'} rollouts begin with {rollout}, and no model of that name has any")
    found = matches[0]
    if as_json:
        show_json(found)
        return
    say(f"[bold]{found['pipeline']} {found['version']}[/bold]  {_state(found)}  {picture(found)}")
    pairs(
        {
            "rollout": found["rollout_id"],
            "instead of": found["previous_version"],
            "promoted": f"by {found['promoted_by']} at {when(found['requested_at'])}: {found['reason']}",
            "over": when(found["finished_at"]),
            "detail": found["detail"] or None,
            "slow is": found["slow_s"] and f"longer than {number(found['slow_s'])} s",
        }
    )
    if found["stages"]:
        _show_steps(found)
    if found["verdicts"]:
        _show_verdicts(found)


@app.command()
def pause(
    model: options.Model,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let the rollout under way stay in its step; it can still be rolled back.

    Example: everloop rollout pause flight_delays --reason "looking at LGA"
    """
    from contracts.serving import PauseRollout

    command = PauseRollout(pipeline=model, requested_by=options.person(by), reason=reason)
    _steer(command, home, as_json=as_json)


@app.command()
def resume(
    model: options.Model,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Let a paused rollout go on.

    Example: everloop rollout resume flight_delays --reason "LGA is fine"
    """
    from contracts.serving import ResumeRollout

    command = ResumeRollout(pipeline=model, requested_by=options.person(by), reason=reason)
    _steer(command, home, as_json=as_json)


@app.command()
def promote(
    model: options.Model,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Skip what is left of the steps and of the bake time.

    Example: everloop rollout promote flight_delays --reason "a hotfix"
    """
    from contracts.serving import PromoteRollout

    command = PromoteRollout(pipeline=model, requested_by=options.person(by), reason=reason)
    _steer(command, home, as_json=as_json)


@app.command()
def abort(
    model: options.Model,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Roll the rollout under way back.

    Example: everloop rollout abort flight_delays --reason "complaints from LGA"
    """
    from contracts.serving import AbortRollout

    command = AbortRollout(pipeline=model, requested_by=options.person(by), reason=reason)
    _steer(command, home, as_json=as_json)


def picture(rollout: Mapping[str, Any]) -> str:
    """Draw the plan in a line: what is over, where it is, what is ahead."""
    steps = [f"{MARKS[stage['progress']]} {_named(stage)}" for stage in rollout["stages"]]
    return " ─ ".join(steps) or "all at once"


def _named(stage: Mapping[str, Any]) -> str:
    return "bake" if stage["kind"] == "bake" else f"{stage['kind']} {stage['share']:.0%}"


def _state(rollout: Mapping[str, Any]) -> str:
    marks = [word for word in ("paused", "hastened") if rollout[word]]
    return " ".join([rollout["state"].replace("_", " "), *(f"({word})" for word in marks)])


def _show_steps(rollout: Mapping[str, Any]) -> None:
    rows = []
    for stage in rollout["stages"]:
        for who, version in (("candidate", rollout["version"]), ("champion", rollout["previous_version"])):
            seen = stage[who]
            first = who == "candidate"
            rows.append(
                (
                    f"{MARKS[stage['progress']]} {_named(stage)}" if first else Markup(""),
                    when(stage["started_at"]) if first else Markup(""),
                    version,
                    seen and seen["requests"],
                    seen and seen["errors"],
                    seen and seen["slow"],
                    seen and number(seen["mean_s"] and seen["mean_s"] * 1000),
                )
            )
    table(("Step", "Since", "Version", "Requests", "Errors", "Slow", "Mean ms"), rows)


def _show_verdicts(rollout: Mapping[str, Any]) -> None:
    table(
        ("Test", "Failed", "Evidence", "Needed", "Explanation"),
        (
            (
                one["test"],
                "yes" if one["failed"] else "no",
                number(one["statistic"]),
                number(one["threshold"]),
                one["explanation"],
            )
            for one in rollout["verdicts"]
        ),
    )


def _rollouts(home: "options.Home", model: str | None) -> list[dict[str, Any]]:
    query = {"pipeline": model} if model else {}
    found: list[dict[str, Any]] = with_platform(home, lambda platform: platform.get("serving", "/v1/rollouts", **query))
    return found


def _steer(command: "Command", home: "options.Home", *, as_json: bool) -> None:
    """Say a command and wait for the fact that it led to, or for the refusal."""
    from contracts.serving import RolloutCommandRefused

    def answer(message: "Message") -> "Message":
        if isinstance(message, RolloutCommandRefused):
            raise CommandError(f"refused: {message.detail}")
        return message

    fact = with_platform(home, lambda platform: outcome(platform, command, answer, within_s=ANSWER_LIMIT_S))
    if as_json:
        show_json({"event": type(fact).__name__, **fact.model_dump(mode="json")})
    else:
        say(f"{type(fact).__name__}: version {getattr(fact, 'version', '')} of {fact.pipeline}.")
