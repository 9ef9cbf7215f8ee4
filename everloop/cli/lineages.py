"""`everloop lineage` and `everloop diff`: what versions came from and led to, and what differs between two."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.output import commit_of, console, number, say, show_json, table, when
from everloop.cli.session import with_platform
from everloop.cli.versions import show_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.tree import Tree

    from everloop.client import Platform
    from everloop.client.lineage import Branch, Lineage

PLATFORM = "platform/"
SHOWN = 3
"""Newest predictions of a version that are named."""


def lineage(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of a prediction, trace, run, message; a digest; a commit; MODEL/VERSION; or a model's name.",
            show_default=False,
        ),
    ],
    version: Annotated[int | None, typer.Argument(help="Number, after a model's name.", min=1)] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Follow anything both ways: from data over runs and versions to deployments and predictions, and back.

    Example: everloop lineage flight_delays 3
    """
    found = find_lineage(f"{identity}/{version}" if version else identity, home)
    if as_json:
        show_json(found.model_dump(mode="json"))
        return
    console().print(lineage_tree(found))
    if found.kind == "version":
        (only,) = found.versions
        show_version(only.model, only.known)


def diff(
    model: options.Model,
    before: Annotated[int, typer.Argument(metavar="FROM", help="Number of a version.", min=1)],
    after: Annotated[int, typer.Argument(metavar="TO", help="Number of another.", min=1)],
    platform_code: Annotated[
        bool, typer.Option("--platform", help="Show Everloop's own code line by line, too.")
    ] = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show what differs between two versions: parameters, metrics, data, code, environment, definition, gates.

    Example: everloop diff flight_delays 2 3
    """

    async def work(platform: "Platform") -> Any:
        return await platform.get("registry", f"/v1/models/{model}/diff", **{"from": before, "to": after})

    found = with_platform(home, work)
    if as_json:
        show_json(found)
    else:
        _tell(found, platform_code=platform_code)


def find_lineage(identity: str, home: options.Home) -> "Lineage":
    """Ask a platform about an id."""
    from everloop.platform.home import find_home

    async def work(platform: "Platform") -> "Lineage":
        from everloop.client.lineage import lineage as follow

        return await follow(platform, identity, spans=find_home(home).spans)

    return with_platform(home, work)


def lineage_tree(found: "Lineage") -> "Tree":
    """Draw what an id led to."""
    from rich.markup import escape
    from rich.tree import Tree

    tree = Tree(f"[bold]{found.kind} {escape(found.identity)}[/bold]", guide_style="dim")
    asked = found.asked or {}
    for name in ("pipeline", "state", "detail", "served_at", "score", "raw_uri", "trace_id"):
        if asked.get(name) not in (None, ""):
            tree.add(f"{name} {escape(str(asked[name]))}")
    for one in found.versions:
        _draw(tree, one)
    if not found.versions:
        tree.add("[yellow]no version came from it[/yellow]")
    return tree


def _draw(tree: "Tree", one: "Branch") -> None:
    from rich.markup import escape

    from everloop.client.records import is_logged

    known = one.known
    standing = f"{known['state']} {' '.join(known['aliases'])}".rstrip()
    version = tree.add(f"[bold]{one.model} version {one.version}[/bold]  {standing}")
    if is_logged(known):
        version.add(f"logged by MLflow run {known['run_id'] or 'unknown'}  [dim]{escape(known['source'])}[/dim]")
        if known["serving"]:
            version.add(escape(known["serving"]))
    else:
        _draw_origin(version, one)
    if decided := known["decision"]:
        version.add(f"{known['state']} by {escape(decided['by'])} {when(decided['at'])}")
    for move in one.moves:
        version.add(f"{move['alias']} since {when(move['at'])}, by {escape(move['by'])}")
    if one.original:
        _draw_original(version, one.original)
    if one.deployment:
        since = when(one.deployment["since"])
        version.add("[green]answers[/green]" + (f" since {since}" if since else ""))
    if one.predictions:
        told = f"answered {one.predictions['predictions']:,} rows in {one.predictions['windows']} windows"
        if is_logged(known):
            told = "what it answers is kept, and nobody judges it"
        newest = version.add(told)
        for prediction in one.newest_predictions[:SHOWN]:
            newest.add(f"[dim]everloop why {prediction}[/dim]")
    for name, reason in one.missing.items():
        version.add(f"[dim]{name} is not known: {escape(reason)}[/dim]")


def _draw_origin(version: "Tree", one: "Branch") -> None:
    from rich.markup import escape

    made = one.known["lineage"]
    data = version.add(f"from dataset version {made['dataset']['version']}  {made['dataset']['digest']}")
    if one.data:
        data.add(f"newest file  {one.data['raw_digest']}  [dim]{escape(one.data['raw_uri'])}[/dim]")
    run = version.add(f"by run {made['run_id']}")
    if one.run:
        cause = one.run["cause"]
        run.add(f"because of {cause['kind']}  {escape(cause.get('reason') or '')}".rstrip())
        run.add(f"[dim]everloop trace {one.run['correlation_id']}[/dim]")
    version.add(f"by code {made['code_digest']}  {commit_of(made)}".rstrip())
    version.add(f"in environment {made['environment_digest']}")


def _draw_original(version: "Tree", original: "Mapping[str, Any]") -> None:
    from rich.markup import escape

    there = version.add(f"was version {original['version']} there, {original['state']}")
    if decided := original["decision"]:
        there.add(f"by {escape(decided['by'])} {when(decided['at'])}: {escape(decided['reason'])}")
    for move in original["moves"]:
        if move["version"] == original["version"]:
            there.add(f"{move['alias']} since {when(move['at'])}, by {escape(move['by'])}")


def _tell(found: "Mapping[str, Any]", *, platform_code: bool) -> None:
    said = "the same model, byte for byte" if found["same_model_file"] else "another model"
    say(f"[bold]{found['model']} {found['from_version']} → {found['to_version']}[/bold]  {said}")
    for part in ("parameters", "metrics", "data", "source", "definition", "environment", "gates"):
        _tell_part(part, found[part], found)
    own = [file for file in found["code"] if not file["path"].startswith(PLATFORM)]
    platform = [file for file in found["code"] if file["path"].startswith(PLATFORM)]
    for file in (*own, *(platform if platform_code else ())):
        _tell_file(file)
    if platform and not platform_code:
        table(("Everloop's own code (--platform shows it)", ""), ((file["path"], file["fate"]) for file in platform))
    if not any(found[part] for part in found if isinstance(found[part], list)):
        say("[green]Nothing else differs.[/green]")


def _tell_part(part: str, changes: "Sequence[Mapping[str, Any]]", found: "Mapping[str, Any]") -> None:
    if changes:
        columns = (part.capitalize(), str(found["from_version"]), str(found["to_version"]))
        table(columns, ((one["name"], number(one["before"]), number(one["after"])) for one in changes))


def _tell_file(file: "Mapping[str, Any]") -> None:
    from rich.syntax import Syntax

    if not file["diff"]:
        say(f"{file['path']} {file['fate']}, not shown: no text, or too long")
        return
    console().print(Syntax(file["diff"], "diff", background_color="default", word_wrap=True))
