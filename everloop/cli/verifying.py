"""`everloop verify`: hold everything that is kept against its digest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import Exit
from everloop.cli.output import Markup, console, say, show_json, table
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.audit import Check
    from everloop.client import Platform

MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class _Known:
    """What services say is kept."""

    versions: dict[str, list[dict[str, Any]]]
    datasets: dict[str, list[dict[str, Any]]]


def verify(
    model: Annotated[str | None, typer.Argument(help="Only this model's versions and data.")] = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Read everything that is kept and hold it against its digest: bundles, code, raw files, datasets.

    Also tells which versions could not be built again here, byte for byte, and why. Exit status 1 if anything is not
    what it should be.

    Example: everloop verify flight_delays
    """
    from everloop.audit import dataset_checks, obstacles, store_checks, version_check
    from everloop.client.records import is_logged
    from everloop.platform.config import store_uri
    from everloop.platform.home import find_home

    known = with_platform(home, lambda platform: _ask(platform, model))
    versions = [(name, one) for name, listed in known.versions.items() for one in listed if not one["collected_at"]]
    checks = [
        *(_of(known, store_checks(store_uri(find_home(home)))) if model else store_checks(store_uri(find_home(home)))),
        *(check for name, listed in known.datasets.items() for check in dataset_checks(name, listed)),
        *(version_check(name, one) for name, one in versions if one["bundle_uri"]),
    ]
    found = [(check, check.faults()) for check in _shown(checks)]
    blocked = [
        (
            name,
            one["version"],
            (one["untold"],) if is_logged(one) else obstacles(one["bundle_uri"], one["bundle_digest"]),
        )
        for name, one in versions
    ]
    faulty = [(check, faults) for check, faults in found if faults]
    if as_json:
        show_json(
            {
                "checked": len(found),
                "faults": len(faulty),
                "checks": [
                    {"kind": check.kind, "name": check.name, "uri": check.uri, "faults": faults}
                    for check, faults in found
                ],
                "versions": [
                    {"model": name, "version": number, "obstacles": reasons} for name, number, reasons in blocked
                ],
            }
        )
    else:
        _tell(found, blocked)
    if faulty:
        raise typer.Exit(Exit.FAILED)


async def _ask(platform: "Platform", model: str | None) -> _Known:
    from everloop.client import RefusedError

    names = [model] if model else [one["pipeline"] for one in await platform.get("registry", "/v1/models")]
    versions = {name: await platform.get("registry", f"/v1/models/{name}/versions") for name in names}
    datasets = {}
    for name in names if model else {one["pipeline"] for one in await platform.get("ingestion", "/v1/datasets")}:
        try:
            datasets[name] = await platform.get("ingestion", f"/v1/datasets/{name}/versions")
        except RefusedError:
            # An imported model has no dataset here; its rows lie beside its bundle.
            datasets[name] = []
    return _Known(versions, datasets)


def _of(known: _Known, checks: "Iterable[Check]") -> "Iterable[Check]":
    """Keep of the store what the model's datasets are made of; its code is a part of its bundles."""
    uris = {one["raw_uri"] for listed in known.datasets.values() for one in listed}
    return (check for check in checks if check.uri in uris)


def _shown(checks: "list[Check]") -> "Iterable[Check]":
    from rich.progress import track

    return track(checks, "checking", console=console(stderr=True), transient=True)


def _tell(found: "list[tuple[Check, tuple[str, ...]]]", blocked: list[tuple[str, int, tuple[str, ...]]]) -> None:
    from everloop.audit import Kind

    table(
        ("What", "Checked", "Faults"),
        (
            (
                kind.value,
                sum(check.kind is kind for check, _ in found),
                sum(check.kind is kind and bool(faults) for check, faults in found),
            )
            for kind in Kind
        ),
    )
    if faulty := [(check, faults) for check, faults in found if faults]:
        table(("What", "Name", "Fault"), ((check.kind.value, check.name, "\n".join(why)) for check, why in faulty))
    if blocked:
        table(
            ("Version", "Can be built again here"), ((f"{name} {number}", _why(why)) for name, number, why in blocked)
        )
    say("[red]Not everything is what it should be.[/red]" if faulty else "[green]All as it was written.[/green]")


def _why(reasons: tuple[str, ...]) -> str:
    if not reasons:
        return Markup("[green]yes[/green]")
    more = len(reasons) - MOST_REASONS
    return "\n".join(("no: " + reasons[0], *reasons[1:MOST_REASONS], *([f"and {more} more"] if more > 0 else [])))
