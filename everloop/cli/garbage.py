"""`everloop gc`: let what nobody needs any more go for good."""

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import console, say, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.client import Platform

POLL_S = 0.2
SHOWN = 1000
COLLECT = "/v1/garbage/collect"


def _days(what: str) -> Any:
    return typer.Option(metavar="DAYS", help=f"{what}; for so long it is kept.", show_default="as configured", min=0)


def gc(
    collect: Annotated[bool, typer.Option("--collect", help="Do it; without, it is only shown.")] = False,
    reason: Annotated[str, typer.Option(help="Why; recorded for good.", show_default=False)] = "",
    deleted_days: Annotated[float | None, _days("What people deleted")] = None,
    failed_days: Annotated[float | None, _days("Files of training runs that failed")] = None,
    refused_days: Annotated[float | None, _days("Files of versions that were refused")] = None,
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Free what is of no use any more: deleted runs, experiments, models and versions, files of failed runs.

    Shows what would go; with --collect it goes, and its files are erased. Nothing goes that a version still there
    needs. Of a version's files those stay that tell what it was and why it was decided about as it was.

    Example: everloop gc --deleted-days 7 --collect --reason "the disk is full"
    """
    if collect and not reason:
        raise CommandError("say why with --reason; it is recorded with what goes", Exit.USAGE)
    keep = {"deleted_days": deleted_days, "failed_days": failed_days, "refused_days": refused_days}
    given = {name: days for name, days in keep.items() if days is not None}
    if not collect:
        _show(with_platform(home, partial(_plan, given)), as_json=as_json)
        return
    wish = {**given, "by": options.person(by), "reason": reason}
    went = with_platform(home, partial(_collect, wish))
    if as_json:
        show_json({"went": dict(went)})
        return
    table(("What", "Gone"), went.items(), empty="Nothing was of no use.")


def _show(plan: dict[str, Any], *, as_json: bool) -> None:
    from rich.filesize import decimal

    if as_json:
        show_json(plan)
        return
    going = [one for one in plan["found"] if not one["needed_by"]]
    staying = [one for one in plan["found"] if one["needed_by"]]
    table(
        ("What", "Name", "Since", "Size"),
        ((one["kind"], one["name"], when(one["since"]), decimal(one["bytes"])) for one in going),
        empty="Nothing is of no use.",
    )
    if staying:
        table(
            ("Stays", "Name", "Needed by"),
            ((one["kind"], one["name"], one["needed_by"]) for one in staying),
        )
    if plan["more"]:
        say(f"[dim]and more than these {SHOWN}[/dim]")
    if going:
        total = decimal(sum(one["bytes"] for one in going))
        say(f"{total} would be freed. Nothing has changed; --collect --reason WHY lets it go, for good.")


async def _plan(keep: dict[str, float], platform: "Platform") -> dict[str, Any]:
    plan: dict[str, Any] = await platform.get(
        "registry", "/v1/garbage", limit=SHOWN, **{name: str(days) for name, days in keep.items()}
    )
    return plan


async def _collect(wish: dict[str, Any], platform: "Platform") -> Counter[str]:
    from rich.progress import Progress

    went: Counter[str] = Counter()
    with Progress(console=console(stderr=True), transient=True) as progress:
        collecting = progress.add_task("collecting", total=None)
        more = True
        while more:
            done = await platform.post("registry", COLLECT, json=wish)
            went.update(done["went"])
            progress.update(collecting, completed=went.total())
            more = done["more"] and done["went"]
        erasing = progress.add_task("erasing files", total=None)
        while left := (await platform.get("registry", "/v1/garbage/erasing"))["places"]:
            progress.update(erasing, total=max(left, progress.tasks[erasing].total or 0))
            progress.update(erasing, completed=(progress.tasks[erasing].total or 0) - left)
            await asyncio.sleep(POLL_S)
    return went
