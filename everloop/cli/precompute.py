"""`everloop precompute …` and `everloop lookup`: scores computed before anybody asks."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError
from everloop.cli.output import number, pairs, say, short, show_json, table, when
from everloop.cli.session import outcome, with_platform

if TYPE_CHECKING:
    from contracts.message import Message
    from contracts.precompute import PrecomputationCompleted, PrecomputationStarted
    from everloop.client import Platform

    Fact = PrecomputationStarted | PrecomputationCompleted

START_LIMIT_S = 60.0

app = typer.Typer(help="Score a dataset before anybody asks.", no_args_is_help=True)


@app.command()
def start(
    model: options.Model,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.")] = "asked by a person",
    wait: options.Wait = False,
    wait_limit: options.WaitLimit = 3600,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Score the newest rows with the version that answers, now.

    Example: everloop precompute start flight_delays --wait
    """
    from contracts.precompute import (
        PrecomputationCompleted,
        PrecomputationFailed,
        PrecomputationStarted,
        StartPrecomputation,
    )

    command = StartPrecomputation(pipeline=model, requested_by=options.person(by), reason=reason)

    def answer(message: "Message") -> "Fact | None":
        if isinstance(message, PrecomputationFailed):
            raise CommandError(f"{message.reason.value}: {message.detail}")
        if isinstance(message, PrecomputationCompleted) or (isinstance(message, PrecomputationStarted) and not wait):
            return message
        return None

    async def work(platform: "Platform") -> "Fact":
        return await outcome(platform, command, answer, within_s=wait_limit if wait else START_LIMIT_S)

    fact = with_platform(home, work)
    if as_json:
        show_json({"event": type(fact).__name__, **fact.model_dump(mode="json")})
    elif isinstance(fact, PrecomputationStarted):
        say(f"Version {fact.version} scores dataset version {fact.dataset_version}: {fact.precomputation_id}")
    else:
        say(f"Version {fact.version} has scored dataset version {fact.dataset_version}: {fact.precomputation_id}")


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Argument(help="Only those of this model.")] = None,
    limit: Annotated[int, typer.Option(help="Most to show.", min=1, max=1000)] = 20,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """List precomputations, the newest first.

    Example: everloop precompute list flight_delays
    """
    query: dict[str, str | int] = {"limit": limit, **({"pipeline": model} if model else {})}

    async def work(platform: "Platform") -> Any:
        return await platform.get("serving", "/v1/precomputations", **query)

    found = with_platform(home, work)
    if as_json:
        show_json(found)
        return
    table(
        ("Precomputation", "Model", "Version", "Dataset", "State", "Rows", "Wanted", "Finished", "Why"),
        (
            (
                one["precomputation_id"],
                one["pipeline"],
                one["version"],
                one["dataset_version"],
                one["failure"] or one["state"],
                one["rows"],
                when(one["requested_at"]),
                when(one["finished_at"]),
                one["detail"] or one["reason"],
            )
            for one in found
        ),
        empty="Nothing was precomputed yet; a pipeline asks for it with precompute=Precompute().",
    )


@app.command()
def show(
    precomputation: Annotated[str, typer.Argument(help="Its id.", show_default=False)],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show one precomputation: what was scored by what, and where the scores are.

    Example: everloop precompute show 0b6f1c52-93a3-4f0e-8a51-6a1f4bb2f7c4
    """

    async def work(platform: "Platform") -> Any:
        return await platform.get("serving", f"/v1/precomputations/{precomputation}")

    one = with_platform(home, work)
    if as_json:
        show_json(one)
        return
    lookup = one["lookup"] or {}
    say(f"[bold]{one['pipeline']} {one['version']}[/bold] on dataset version {one['dataset_version']}  {one['state']}")
    pairs(
        {
            "wanted": f"{when(one['requested_at'])} by {one['requested_by']}: {one['reason']}",
            "failure": one["failure"] and f"{one['failure']}: {one['detail']}",
            "finished": when(one["finished_at"]),
            "job": one["submission_id"],
            "rows": one["rows"],
            "scored before": one["resumed_rows"] or None,
            "engine": one["engine"],
            "table": one["table_uri"] and f"{one['table_uri']} @ {one['delta_version']}",
            "lookup": lookup and f"{lookup['uri']}\n{short(lookup['digest'])}, {lookup['size_bytes']} bytes",
            "keys": lookup.get("keys"),
            "older rows of a key": lookup.get("duplicates"),
            "rows without a key": lookup.get("without_key"),
            "not needed since": when(one["unneeded_since"]),
            "deleted": when(one["deleted_at"]),
        }
    )


def lookup(
    model: options.Model,
    key: Annotated[list[str], typer.Argument(help="The key, one value per column of it.", show_default=False)],
    row: Annotated[
        str | None, typer.Option(help="Features as a JSON object, for a live answer where none is ready.")
    ] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Find the score of a known row.

    Example: everloop lookup flight_delays UA1545-2013-01-01
    """
    asked = {"keys": [key if len(key) > 1 else key[0]], "rows": [_object(row)]}

    async def work(platform: "Platform") -> Any:
        return await platform.look_up(model, asked)

    (answer,) = with_platform(home, work)["answers"]
    if as_json:
        show_json(answer)
    elif answer["source"] is None:
        raise CommandError(f"no score for {' '.join(key)}: {answer['reason'].replace('_', ' ')}")
    else:
        table(
            ("Score", "Source", "Version", "Dataset", "Computed", "Age", "Prediction"),
            [
                (
                    f"{answer['score']:.4f}",
                    answer["source"],
                    answer["version"],
                    answer.get("dataset_version"),
                    when(answer["computed_at"]),
                    f"{number(answer['age_s'])} s",
                    answer["prediction_id"],
                )
            ],
        )


def _object(row: str | None) -> dict[str, Any] | None:
    try:
        content = json.loads(row) if row is not None else None
    except ValueError as error:
        raise typer.BadParameter(f"no JSON: {error}", param_hint="--row") from error
    if content is not None and not isinstance(content, dict):
        raise typer.BadParameter("no JSON object", param_hint="--row")
    return content
