"""`everloop status` and `everloop doctor`: how the platform and this machine are."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import Markup, pairs, say, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.client import Platform
    from everloop.platform.home import Home
    from everloop.platform.state import PlatformState

COLOURS = {"ready": "green", "stopped": "red", "unready": "red"}
MARKS = {"ok": "[green]ok[/green]", "warning": "[yellow]warning[/yellow]", "problem": "[red]problem[/red]"}


def status(home: options.Home = None, as_json: options.Json = False) -> None:
    """Show what runs, where, and how far the loop is.

    Example: everloop status --json
    """
    from everloop.platform.home import find_home
    from everloop.platform.up import running

    place = find_home(home)
    state = running(place)
    if state is None:
        raise CommandError(f"no platform runs on {place.root}; start one with `everloop up`", Exit.NOT_RUNNING)
    loop = _loop_or_reason(home)
    outbox = {name: _unpublished(place, name) for name in state.endpoints.services}
    if as_json:
        show_json({"ready": state.ready, **state.model_dump(mode="json", exclude={"token"}), **loop, "outbox": outbox})
        return
    _show(state, loop, sum(count or 0 for count in outbox.values()))


def _show(state: "PlatformState", loop: dict[str, Any], unpublished: int) -> None:
    pairs({"home": state.home, "pid": state.pid, "up since": when(state.started_at), "store": state.store_uri})
    table(
        ("Process", "Condition", "Pid", "Address", "Restarts", "Log"),
        (
            (
                one.name,
                Markup(f"[{COLOURS.get(one.condition, 'yellow')}]{one.condition}[/]"),
                one.pid,
                one.url,
                one.restarts or "",
                one.log,
            )
            for one in state.processes
        ),
    )
    if loop["unreachable"]:
        say(f"[red]{loop['unreachable']}[/red]")
        return
    table(
        ("Pipeline", "Dataset", "Champion", "Answering", "Since", "Run now"),
        (
            (one["pipeline"], one["dataset_version"], one["champion"], one["answering"], when(one["since"]), one["run"])
            for one in loop["pipelines"]
        ),
        empty="No pipeline is registered.",
    )
    waiting = [one for one in loop["consumers"] if one["behind"] or one["in_hand"]]
    say(
        f"[dim]{loop['streams'].get('EVENTS', 0)} events kept, {loop['dead_letters']} dead letters, "
        f"{sum(one['behind'] for one in loop['consumers'])} messages waiting to be heard, "
        f"{unpublished} waiting to be published[/dim]"
    )
    if waiting:
        table(("Consumer", "Behind", "In hand"), ((one["consumer"], one["behind"], one["in_hand"]) for one in waiting))


def doctor(home: options.Home = None, as_json: options.Json = False) -> None:
    """Check this machine and the home directory; says what to do about what is wrong.

    Example: everloop doctor
    """
    from dataclasses import asdict

    from everloop.platform.checks import examine
    from everloop.platform.home import find_home

    findings = examine(find_home(home))
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        table(
            ("Check", "", "Found", "What to do"),
            ((one.name, Markup(MARKS[one.verdict]), one.found, one.advice) for one in findings),
        )
    if any(one.verdict == "problem" for one in findings):
        raise typer.Exit(Exit.FAILED)


def _loop_or_reason(home: Path | None) -> dict[str, Any]:
    """Ask how far the loop is; where the broker is down, that is the answer, and the processes are still shown."""
    from everloop.client import ClientError

    nothing: dict[str, Any] = {"pipelines": [], "streams": {}, "dead_letters": None, "consumers": []}
    try:
        return {**with_platform(home, _loop), "unreachable": None}
    except ClientError as error:
        return {**nothing, "unreachable": str(error)}


async def _loop(platform: "Platform") -> dict[str, Any]:
    """Ask the services and the broker how far the loop is; what does not answer is left out."""
    registered = await _part(platform, "training", "/v1/pipelines")
    active = [one for one in await _part(platform, "training", "/v1/runs") if one["finished_at"] is None]
    deployments = {one["pipeline"]: one["answering"] for one in await _part(platform, "serving", "/v1/deployments")}
    champions = {one["name"]: one["aliases"]["champion"] for one in await _part(platform, "registry", "/v1/models")}
    datasets = {one["pipeline"]: one["newest"] for one in await _part(platform, "ingestion", "/v1/datasets")}
    streams, consumers = await _bus(platform)
    return {
        "pipelines": [
            {
                "pipeline": name,
                "dataset_version": (datasets.get(name) or {}).get("version"),
                "champion": champions.get(name),
                "answering": (deployments.get(name) or {}).get("version"),
                "since": (deployments.get(name) or {}).get("since"),
                "run": next((f"{one['run_id']} {one['state']}" for one in active if one["pipeline"] == name), None),
            }
            for name in (one["name"] for one in registered)
        ],
        "streams": streams,
        "dead_letters": streams.get("DEAD_LETTERS", 0),
        "consumers": consumers,
    }


async def _part(platform: "Platform", service: str, path: str) -> list[dict[str, Any]]:
    from everloop.client import ClientError

    try:
        answer: list[dict[str, Any]] = await platform.get(service, path)
    except ClientError:
        return []
    return answer


async def _bus(platform: "Platform") -> tuple[dict[str, int], list[dict[str, Any]]]:
    streams = {
        one["config"]["name"]: one["state"]["messages"]
        for one in (await platform.bus.ask("STREAM.LIST")).get("streams") or ()
    }
    consumers = [
        {"consumer": one["name"], "behind": one["num_pending"], "in_hand": one["num_ack_pending"]}
        for name in ("EVENTS", "COMMANDS", "PREDICTIONS")
        if name in streams
        for one in (await platform.bus.ask(f"CONSUMER.LIST.{name}")).get("consumers") or ()
        if one["config"].get("durable_name")
    ]
    return streams, consumers


def _unpublished(home: "Home", service: str) -> int | None:
    """Count messages a service has committed and not yet published; only where its database is a local file."""
    file: Path = home.root / "db" / f"{service}.sqlite"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)) as database:
            return int(database.execute("select count(*) from chassis_outbox").fetchone()[0])
    except sqlite3.Error:
        return None
