"""`everloop up` and `everloop down`: the platform's life on this machine."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import progress, say, show_json_line

if TYPE_CHECKING:
    from everloop.platform.home import Home
    from everloop.platform.process import SupervisedProcess
    from everloop.platform.state import PlatformState, ProcessState
    from everloop.platform.up import UpOptions

COLOURS = {"ready": "green", "restarting": "yellow", "unready": "yellow", "stopped": "dim"}


def up(
    home: options.Home = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it is ready; it runs on.")] = False,
    port_base: Annotated[
        int | None, typer.Option(help="First of nine ports in a row, instead of the usual ones.", min=1024, max=65000)
    ] = None,
    port: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PORT", help="A port that must be this one, such as nats=4222.")
    ] = None,
    pipelines: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of pipelines to register at start; may be repeated.", exists=True, file_okay=False),
    ] = None,
    ray_cpus: Annotated[int | None, typer.Option(help="Slots for tasks and actors on Ray, not cores.", min=2)] = None,
    as_json: options.Json = False,
) -> None:
    """Run the whole platform on this machine: broker, Ray, five services, trace store.

    Everything is kept under one directory, and starting again resumes where it was. Ctrl-C stops in order,
    a second Ctrl-C at once. Ports in use are replaced by free ones; `everloop status` tells which.

    Example: everloop up --home ./platform --detach
    """
    from everloop.platform.config import read_config
    from everloop.platform.home import find_home
    from everloop.platform.up import UpOptions, refuse_second

    place = find_home(home)
    place.make()
    refuse_second(place)
    chosen = UpOptions.merge(
        read_config(place), ports=_ports(port or ()), port_base=port_base, ray_cpus=ray_cpus, pipelines=pipelines or ()
    )
    if detach:
        _detach(place, chosen, as_json=as_json)
    else:
        _stay(place, chosen, as_json=as_json)


def down(
    home: options.Home = None,
    force: Annotated[bool, typer.Option(help="Kill instead of stopping in order.")] = False,
) -> None:
    """Stop the platform that runs on a directory.

    Example: everloop down
    """
    from everloop.platform.home import find_home
    from everloop.platform.launch import stop

    place = find_home(home)
    if not stop(place, force=force):
        raise CommandError(f"no platform runs on {place.root}", Exit.NOT_RUNNING)
    say(f"Stopped the platform on {place.root}.")


def _ports(asked: Sequence[str]) -> dict[str, int]:
    from everloop.platform.ports import DEFAULT_PORTS

    ports = {}
    for one in asked:
        name, _, number = one.partition("=")
        if name not in DEFAULT_PORTS or not number.isdigit():
            raise typer.BadParameter(f"{one!r} is not NAME=PORT with a name of {', '.join(DEFAULT_PORTS)}")
        ports[name] = int(number)
    return ports


def _stay(home: "Home", chosen: "UpOptions", *, as_json: bool) -> None:
    from rich.markup import escape

    from everloop.platform.up import await_champions, register_pipelines, run_platform

    began = time.monotonic()

    def on_change(process: "SupervisedProcess") -> None:
        if process.condition == "starting" and not process.restarts:
            return
        what = process.spec.url
        if process.condition == "restarting":
            what = f"ended with {process.exit_code}: {escape(process.last_words()[:200])}  [dim]{process.log}[/dim]"
        progress(_line(time.monotonic() - began, process.spec.name, process.condition, what))

    def when_ready(state: "PlatformState") -> None:
        for outcome in register_pipelines(state, chosen.pipelines):
            condition = "refused" if outcome.error else "registered"
            progress(
                _line(time.monotonic() - began, "pipeline", condition, escape(outcome.error or str(outcome.pipeline)))
            )
        for model, answers in await_champions(state).items():
            condition = "ready" if answers else "unready"
            progress(_line(time.monotonic() - began, "model", condition, f"{state.endpoints.serve}/v2/models/{model}"))
        if as_json:
            show_json_line(state.model_dump(mode="json"))
        else:
            _greet(state)

    run_platform(home, chosen, on_change=on_change, when_ready=when_ready)
    progress("Stopped.")


def _detach(home: "Home", chosen: "UpOptions", *, as_json: bool) -> None:
    from everloop.platform.launch import LaunchError, launch

    began = time.monotonic()
    told: set[str] = set()

    def watch(state: "PlatformState") -> None:
        news: list[ProcessState] = [one for one in state.processes if one.ready_after_s and one.name not in told]
        for process in news:
            told.add(process.name)
            progress(_line(time.monotonic() - began, process.name, process.condition, process.url))

    try:
        state = launch(home, chosen.arguments(), watch=watch)
    except LaunchError as error:
        raise CommandError(str(error)) from error
    if as_json:
        show_json_line(state.model_dump(mode="json"))
    else:
        _greet(state)


def _line(seconds: float, name: str, condition: str, rest: str) -> str:
    colour = COLOURS.get(condition, "default")
    return f"[dim]{seconds:6.1f} s[/dim]  {name:<11} [{colour}]{condition:<10}[/{colour}] {rest}"


def _greet(state: "PlatformState") -> None:
    say(
        f"[bold green]Everloop is up[/bold green] on {state.home}\n"
        f"  models answer at  {state.endpoints.serve}/v2/models/… and over gRPC at {state.endpoints.grpc}\n"
        f"  events go in at   {state.endpoints.nats}\n"
        "  everloop status · everloop events --follow · everloop down"
    )
