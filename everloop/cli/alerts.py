"""`everloop alerts`: what a person should know of, and a person's word on it."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import Markup, pairs, say, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.client import Platform

COLOURS = {"info": "blue", "warning": "yellow", "critical": "red"}
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
SHORT_ID = 8

app = typer.Typer(help="See what a person should know of; snooze and resolve it.")
AlertId = Annotated[
    str, typer.Argument(metavar="ID", help="Of the alert, or how it begins, as `everloop alerts` shows it.")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.", show_default=False)]


@app.callback(invoke_without_command=True)
def list_alerts(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only of this pipeline.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones, too.")] = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List open alerts, those first that were heard of last.

    Example: everloop alerts
    """
    if context.invoked_subcommand:
        return
    query = {"resolved": str(every).lower(), **({"pipeline": pipeline} if pipeline else {})}
    found = with_platform(home, lambda platform: platform.get("monitoring", "/v1/alerts", **query))
    if as_json:
        show_json(found)
        return
    table(
        ("Alert", "Severity", "What happened", "Since", "Seen", "Last", "State", "Do"),
        (
            (
                one["alert_id"][:SHORT_ID],
                Markup(f"[{COLOURS[one['severity']]}]{one['severity']}[/]"),
                one["title"],
                when(one["since"]),
                one["occurrences"],
                when(one["last_at"]),
                _state(one),
                one["command"],
            )
            for one in found
        ),
        empty="No alerts." if every else "No open alerts.",
    )


@app.command()
def show(alert: AlertId, home: options.Home = None, as_json: options.Json = False) -> None:
    """Show an alert whole: how sure it is, what to do, and who was told.

    Example: everloop alerts show 3f2a9c1e
    """
    found = with_platform(home, lambda platform: _whole(platform, alert))
    if as_json:
        show_json(found)
        return
    say(f"[{COLOURS[found['severity']]}]{found['severity']}[/]  [bold]{_plain(found['title'])}[/bold]")
    pairs(
        {
            "alert": found["alert_id"],
            "about": f"{found['pipeline']}, {found['about']} ({found['kind']})",
            "since": when(found["since"]),
            "seen": f"{found['occurrences']} times, from {when(found['first_at'])} to {when(found['last_at'])}",
            "how sure": found["certainty"],
            "what to do": found["action"],
            "command": found["command"],
            "trace": found["trace_id"] and f"everloop trace {found['trace_id']}",
            "state": _state(found),
        }
    )
    if found["deliveries"]:
        table(
            ("Channel", "Told that it", "State", "Tries", "Last met", "Next try"),
            (
                (
                    one["channel"],
                    f"is {one['occasion']}",
                    one["state"],
                    one["attempts"],
                    one["detail"],
                    when(one["next_at"]),
                )
                for one in found["deliveries"]
            ),
        )


@app.command()
def resolve(
    alert: AlertId,
    reason: Reason,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Say that an alert is over. Seen again, it is raised anew.

    Example: everloop alerts resolve 3f2a9c1e --reason "the feed is mended"
    """
    word = {"by": options.person(by), "reason": reason}
    _tell(with_platform(home, lambda platform: _say(platform, alert, "resolve", word)), as_json=as_json)


@app.command()
def snooze(
    alert: AlertId,
    reason: Reason,
    length: Annotated[
        str, typer.Option("--for", metavar="LENGTH", help="Such as 30m, 4h or 2d.", show_default=True)
    ] = "4h",
    until: Annotated[
        datetime | None, typer.Option(help="Instead of --for; without a zone, in yours.", show_default=False)
    ] = None,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Tell nobody of an alert for a while; still open then, it is told again.

    Example: everloop alerts snooze 3f2a9c1e --for 2d --reason "the airline strikes"
    """
    end = until.astimezone() if until else datetime.now(UTC) + _length(length)
    word = {"by": options.person(by), "reason": reason, "until": end.isoformat()}
    _tell(with_platform(home, lambda platform: _say(platform, alert, "snooze", word)), as_json=as_json)


async def _say(platform: "Platform", alert: str, verb: str, word: dict[str, str]) -> Any:
    found = await _whole(platform, alert)
    return await platform.post("monitoring", f"/v1/alerts/{found['alert_id']}/{verb}", json=word)


async def _whole(platform: "Platform", alert: str) -> Any:
    """Find an alert by how its id begins."""
    alerts = await platform.get("monitoring", "/v1/alerts", resolved="true", limit=1000)
    matches = [one["alert_id"] for one in alerts if one["alert_id"].startswith(alert.lower())]
    if len(alert) == len("00000000-0000-0000-0000-000000000000"):
        matches = [alert]
    if len(matches) != 1:
        raise CommandError(f"{len(matches) or 'no'} alerts begin with {alert}; see `everloop alerts --all`")
    return await platform.get("monitoring", f"/v1/alerts/{matches[0]}")


def _tell(alert: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(alert)
    else:
        say(f"{alert['alert_id'][:SHORT_ID]} is {_state(alert)}.")


def _state(alert: dict[str, Any]) -> str:
    if not alert["is_open"]:
        return f"resolved by {alert['resolved_by']}: {alert['resolved_reason']}"
    if alert["snoozed_until"]:
        return f"snoozed until {when(alert['snoozed_until'])} by {alert['snoozed_by']}: {alert['snooze_reason']}"
    return "open"


def _length(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isdigit() or len(number) > 4:
        raise CommandError(f"{text} is no length of time; try 30m, 4h or 2d", Exit.USAGE)
    return timedelta(**{UNITS[unit]: int(number)})


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
