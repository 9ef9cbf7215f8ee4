"""`everloop registry`: the registry as it was, as its log tells it, and as other gates would have it."""

import asyncio
import json
import tomllib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import Markup, say, short, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.client import Platform
    from everloop.platform.rebuilding import Recovery

app = typer.Typer(no_args_is_help=True, help="Look back: as of a time, from the log, under other gates.")
SomeModel = Annotated[str | None, typer.Argument(help="Of this model only.", show_default="every model")]
COLOURS = {"promoted": "green", "waiting": "yellow", "refused": "red", "unknown": "magenta"}


@app.command("as-of")
def as_of(
    time: Annotated[str, typer.Argument(help="ISO 8601; without a zone, yours.", show_default=False)],
    model: SomeModel = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show aliases and versions as they were at some time.

    Example: everloop registry as-of "2026-03-01 14:00" flight_delays
    """
    try:
        at = datetime.fromisoformat(time).astimezone()
    except ValueError as error:
        raise CommandError(f"{time!r} is no time; write it as 2026-03-01T14:00", Exit.USAGE) from error

    async def work(platform: "Platform") -> list[Any]:
        if model is None:
            everything: list[Any] = await platform.get("registry", "/v1/as-of", at=at.isoformat())
            return everything
        return [await platform.get("registry", f"/v1/models/{quote(model, safe='')}/as-of", at=at.isoformat())]

    found = with_platform(home, work)
    if as_json:
        show_json(found)
        return
    for one in found:
        aliases = "  ".join(f"{alias} {number or '–'}" for alias, number in one["aliases"].items())
        say(f"[bold]{one['model']}[/bold]  {aliases}")
        table(
            ("Version", "State", "Aliases", "Decided by", "Why", "Registered"),
            (
                (
                    version["version"],
                    version["state"],
                    " ".join(version["aliases"]),
                    (version["decision"] or {}).get("by"),
                    (version["decision"] or {}).get("reason"),
                    when(version["registered_at"]),
                )
                for version in one["versions"]
            ),
            empty="It had no versions yet.",
        )


@app.command()
def digest(home: options.Home = None, as_json: options.Json = False) -> None:
    """Show a digest of everything the registry knows, whole and by table; equal digests mean equal registries.

    Example: everloop registry digest
    """
    found = with_platform(home, lambda platform: platform.get("registry", "/v1/state"))
    if as_json:
        show_json(found)
        return
    say(found["digest"])
    table(("Table", "Rows", "Digest"), ((one["name"], one["rows"], short(one["digest"])) for one in found["parts"]))


@app.command()
def rebuild(
    replace: Annotated[bool, typer.Option("--replace", help="Set aside a database that holds something.")] = False,
    partly: Annotated[bool, typer.Option("--partly", help="Leave out what is lost, and list it.")] = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make the registry's database again from the event log, while the platform is down.

    Bundles and reports are read again where they are kept, and every digest is verified. A database that is there is
    moved aside, never deleted.

    Example: everloop registry rebuild --replace
    """
    from everloop.platform.home import HomeTakenError, find_home
    from everloop.platform.rebuilding import rebuild_registry
    from services.chassis.errors import EverloopError
    from services.chassis.settings import SettingsError

    place = find_home(home)
    try:
        done = asyncio.run(rebuild_registry(place, replace=replace, partly=partly))
    except HomeTakenError as error:
        raise CommandError(f"the platform runs on {place.root}; stop it first, with `everloop down`") from error
    except SettingsError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except EverloopError as error:
        raise CommandError(_sentence(error)) from error
    _tell(done, as_json=as_json)


@app.command("what-if")
def what_if(
    gates: Annotated[Path, typer.Argument(help="A pipeline.py or its folder, or gates in TOML or JSON.", exists=True)],
    model: SomeModel = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Hold recorded reports against other gates, and list which promotions would have gone another way.

    Example: everloop registry what-if stricter.toml flight_delays
    """
    asked = {**gates_of(gates), "model": model}
    found = with_platform(home, lambda platform: platform.post("registry", "/v1/what-if", json=asked))
    if as_json:
        show_json(found)
        return
    table(
        ("Model", "Version", "Was", "Would be", "Why"),
        (
            (one["model"], one["version"], _coloured(one["was"]), _coloured(one["would"]), one["why"])
            for one in found
            if one["differs"]
        ),
        empty=f"None of {len(found)} versions would have gone another way.",
    )


def gates_of(path: Path) -> dict[str, Any]:
    """Read gates: a pipeline's, or ``[[gates]]`` tables and perhaps a ``policy``."""
    if path.is_dir() or path.suffix == ".py":
        from everloop.bundle.code import load_pipeline

        promotion = load_pipeline(path if path.is_dir() else path.parent).definition.promotion
        return {"gates": promotion.model_dump(mode="json")["gates"], "policy": promotion.policy.value}
    try:
        content = tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}", Exit.USAGE) from error
    content = {"gates": content} if isinstance(content, list) else content
    if not isinstance(content, dict) or not content.get("gates"):
        raise CommandError(f"{path} declares no gates", Exit.USAGE)
    return {"gates": content["gates"], "policy": content.get("policy")}


def _coloured(outcome: str) -> Markup:
    return Markup(f"[{COLOURS[outcome]}]{outcome}[/]")


def _sentence(error: Any) -> str:
    match error.slug:
        case "registry_running":
            return f"the registry runs on {error.fields['database']}; stop it first"
        case "database_not_empty":
            return (
                f"{error.fields['database']} holds something; --replace sets it aside and puts the rebuilt in its place"
            )
        case "log_empty":
            return "the log holds nothing that the registry ever said; is this its broker?"
    return str(error)


def _tell(done: "Recovery", *, as_json: bool) -> None:
    rebuilt = done.rebuilt
    before = rebuilt.before.state if rebuilt.before else None
    unsaid = rebuilt.before.unsaid if rebuilt.before else 0
    differing = rebuilt.state.differing(before) if before else None
    if as_json:
        show_json(
            {
                "digest": rebuilt.state.digest,
                "messages": rebuilt.messages,
                "tables": {part.name: part.rows for part in rebuilt.state.parts},
                "digest_before": before.digest if before else None,
                "differing": differing,
                "set_aside": rebuilt.set_aside,
                "unsaid_before": unsaid,
                "gone": dict(done.gone),
                "left_out": [asdict(one) for one in rebuilt.left_out],
            }
        )
        return
    say(f"Rebuilt from {rebuilt.messages} messages: {rebuilt.state.digest}")
    table(("Table", "Rows"), ((part.name, part.rows) for part in rebuilt.state.parts if part.rows))
    if rebuilt.left_out:
        table(("Left out", "Id", "Why"), ((one.type, one.message_id, one.why) for one in rebuilt.left_out))
    if differing is not None:
        said = f"[yellow]What was there differed in {', '.join(differing)}.[/yellow]" if differing else ""
        say(said or "[green]Equal to what was there.[/green]")
    if rebuilt.set_aside:
        say(f"[dim]What was there is now {rebuilt.set_aside}[/dim]")
    if unsaid:
        say(f"[yellow]It held {unsaid} messages that were never said; what they tell is missing.[/yellow]")
