"""`everloop monitor`, `dataset` and `demo`: what was found in the data, in production and in a year."""

from pathlib import Path
from typing import Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import Markup, number, say, short, show_json, table, when
from everloop.cli.session import with_platform

dataset = typer.Typer(no_args_is_help=True, help="Look at datasets, their versions and what was rejected.")
Pipeline = Annotated[str, typer.Argument(help="Name of the pipeline.", show_default=False)]


def monitor(
    pipeline: Pipeline,
    version: Annotated[int | None, typer.Option(help="Only windows of this model version.", min=1)] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show the windows of production: drift against the training data, quality from late labels.

    Example: everloop monitor flight_delays
    """
    query = {"version": version} if version else {}
    windows = _get(home, "monitoring", f"/v1/monitors/{pipeline}/windows", **query)
    if as_json:
        show_json(windows)
        return
    table(
        ("From", "To", "Version", "State", "Predictions", "Labelled", "Drift", "Quality", "Said"),
        (
            (
                when(one["start"]),
                when(one["end"]),
                one["version"],
                one["state"],
                one["predictions"],
                f"{one['labelled_fraction']:.0%}",
                Markup("  ".join(f"{kind} {_drift(verdict)}" for kind, verdict in one["drift"].items())),
                _quality(one["quality"]),
                " ".join(one["told"]),
            )
            for one in windows
        ),
        empty="No window has predictions yet.",
    )


@dataset.command("list")
def list_versions(pipeline: Pipeline, home: options.Home = None, as_json: options.Json = False) -> None:
    """List the versions of a dataset.

    Example: everloop dataset list flight_delays
    """
    versions = _get(home, "ingestion", f"/v1/datasets/{pipeline}/versions")
    if as_json:
        show_json(versions)
        return
    table(
        ("Version", "Mode", "New rows", "Rows", "From", "To", "Digest"),
        (
            (
                one["version"],
                one["mode"],
                one["new_rows"],
                one["rows"],
                when(one["first_event"]),
                when(one["last_event"]),
                short(one["digest"]),
            )
            for one in versions
        ),
        empty="Nothing has been ingested yet.",
    )


@dataset.command()
def diff(
    pipeline: Pipeline,
    before: Annotated[int, typer.Argument(help="Version.", min=1)],
    after: Annotated[int, typer.Argument(help="Another version.", min=1)],
    home: options.Home = None,
) -> None:
    """Show, as JSON, what changed between two versions: rows, columns, and how far values moved.

    Example: everloop dataset diff flight_delays 1 2
    """
    show_json(_get(home, "ingestion", f"/v1/datasets/{pipeline}/diff", **{"from": before, "to": after}))


@dataset.command()
def rejected(pipeline: Pipeline, home: options.Home = None, as_json: options.Json = False) -> None:
    """List batches that broke their promises, with every violation.

    Example: everloop dataset rejected flight_delays
    """
    batches = _get(home, "ingestion", f"/v1/datasets/{pipeline}/rejections")
    if as_json:
        show_json(batches)
        return
    from rich.markup import escape

    if not batches:
        say("[dim]No batch was rejected.[/dim]")
    for batch in batches:
        say(f"[bold]{escape(batch['uri'])}[/bold]  {when(batch['received_at'])}  [dim]{batch['batch_id']}[/dim]")
        for one in batch["violations"]:
            say(f"    [red]{one['rule']}[/red] {one['column'] or ''}  {escape(one['detail'])}")


def demo(
    months: Annotated[int | None, typer.Option(help="How many months to replay.", show_default="all", min=1)] = None,
    sample: Annotated[float, typer.Option(help="Share of the flights.", min=0.02, max=1)] = 1.0,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Directory of the demo's own platform.", show_default="./.everloop/demo"),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Watch a model live through a year of real flights: train, serve, drift, retrain.

    Example: everloop demo --months 2 --sample 0.2
    """
    from everloop.demo.main import DemoOptionsError, run
    from everloop.platform.launch import LaunchError

    try:
        code = run(months=months, sample=sample, as_json=as_json, home=home)
    except DemoOptionsError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except LaunchError as error:
        raise CommandError(str(error)) from error
    raise typer.Exit(code)


def _get(home: Path | None, service: str, path: str, **query: int) -> Any:
    async def work(platform: Any) -> Any:
        return await platform.get(service, path, **query)

    return with_platform(home, work)


def _drift(verdict: dict[str, Any]) -> str:
    colour = "red" if verdict["outcome"] == "alarm" else "default"
    return f"[{colour}]{verdict['outcome']}[/] {number(verdict['statistic']) or ''}".strip()


def _quality(verdict: dict[str, Any] | None) -> Markup | None:
    if verdict is None:
        return None
    if verdict["value"] is None:
        return Markup(verdict["outcome"])
    colour = "red" if verdict["outcome"] == "degraded" else "default"
    measured = f"{verdict['metric']} {number(verdict['value'])} ({number(verdict['low'])}–{number(verdict['high'])})"
    evidence = verdict.get("evidence")
    sure = f", evidence {number(evidence['statistic'])} of {number(evidence['threshold'])}" if evidence else ""
    return Markup(f"[{colour}]{verdict['outcome']}[/] {measured}{sure}")
