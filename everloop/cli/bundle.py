"""`everloop bundle`: a version as files, here or in the forms other servers and programs take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from everloop.cli import options
from everloop.cli.output import pairs, progress, say, short, show_json, table

if TYPE_CHECKING:
    from contracts.model import Digest

app = typer.Typer(no_args_is_help=True, help="Show, verify and export versions as files.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@ALIAS|/VERSION]",
        help="Such as flights@champion, flights/3, flights (its champion), or a bundle's /path or URI.",
        show_default=False,
    ),
]
Registry = Annotated[
    str | None,
    typer.Option(
        envvar="EVERLOOP_REGISTRY_URL", help="Address of the registry.", show_default="that of the platform here"
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Ask nobody; take what the name last meant.")]


def _complete_form() -> list[str]:
    from everloop.export import Form

    return [form.value for form in Form]


@app.command()
def export(
    name: Name,
    form: Annotated[str, typer.Option("--format", "-f", help="onnx, mlflow or wheel.", autocompletion=_complete_form)],
    directory: Annotated[
        Path, typer.Option("--output", "-o", help="Where to; empty or new for onnx and mlflow.", file_okay=False)
    ],
    registry: Registry = None,
    offline: Offline = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Write a version for others to run: plain ONNX, an MLflow model, or a wheel.

    What is written is tried first, alone, and must answer as the bundle does, to the bit.

    Example: everloop bundle export flight_delays@champion --format wheel -o dist
    """
    from everloop.cli.exits import CommandError, Exit
    from everloop.export import Form
    from everloop.export import export as write

    try:
        wanted = Form(form)
    except ValueError:
        raise CommandError(f"{form!r} is no format: choose {', '.join(Form)}", Exit.USAGE) from None
    place, digest, version = _find(name, registry, home, offline=offline)
    progress(f"[dim]writing {name} as {wanted} and trying it[/dim]")
    written = write(wanted, place, digest, directory, version=version)
    if as_json:
        show_json({"path": str(written), "format": wanted, "version": version, "bundle_digest": digest})
        return
    say(f"wrote {written}")
    say(f"[dim]{_USE[wanted].format(path=written)}[/dim]")


@app.command()
def show(
    name: Name,
    registry: Registry = None,
    offline: Offline = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Show what a bundle holds: what it is asked with, what made it, its files.

    Example: everloop bundle show flight_delays/3
    """
    from contracts.bundle import LoggedManifest
    from everloop.bundle.manifest import UNTOLD, read_contents

    place, digest, version = _find(name, registry, home, offline=offline)
    manifest = read_contents(place, digest)
    if as_json:
        show_json({"version": version, "bundle_digest": digest, "uri": place, **manifest.model_dump(mode="json")})
        return
    if isinstance(manifest, LoggedManifest):
        say(f"[bold]{name}[/bold]  logged by an MLflow client")
        pairs({"bundle": digest, "in": place, "source": manifest.logged.source, "not known": UNTOLD})
    else:
        say(f"[bold]{manifest.pipeline}{f' {version}' if version else ''}[/bold]  {manifest.objective.value}")
        made = manifest.lineage
        pairs({"bundle": digest, "in": place, "run": made.run_id, "dataset": made.dataset.version, "seed": made.seed})
    table(
        ("Input", "Type", "May be missing"),
        ((spec.name, spec.datatype.value, "yes" if spec.nullable else None) for spec in manifest.signature.inputs),
    )
    table(("File", "Bytes", "Digest"), ((file.path, file.size_bytes, short(file.digest)) for file in manifest.files))


@app.command()
def verify(
    name: Name,
    registry: Registry = None,
    offline: Offline = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Hold every file against its digest, and ask the golden requests again on this machine.

    Example: everloop bundle verify flight_delays@champion
    """
    from everloop.bundle.logged import load_any
    from everloop.bundle.manifest import verify_contents

    place, digest, version = _find(name, registry, home, offline=offline)
    manifest = verify_contents(place, digest)
    model = load_any(place, digest)
    difference = model.check_golden(model.max_golden_difference)
    asked = len(model.golden.scores) if model.golden else 0
    if as_json:
        show_json({"version": version, "files": len(manifest.files), "golden_difference": difference})
    else:
        say(
            f"{len(manifest.files)} files are what they should be; "
            f"{asked} golden answers differ by {difference:g} at most."
        )


_USE = {
    "onnx": "{path}/README.md says what the input is",
    "mlflow": "mlflow models serve -m {path}",
    "wheel": "pip install {path}",
}


def _find(
    name: str, registry: str | None, home: Path | None, *, offline: bool
) -> tuple[str, "Digest | None", int | None]:
    """Find a bundle; a named one is fetched into the cache, verified, and tried."""
    from everloop.models.cache import find_cache
    from everloop.models.loading import obtain, resolve
    from everloop.models.names import ModelName, bundle_uri
    from everloop.models.registry import find_registry

    if uri := bundle_uri(name):
        return uri, None, None
    where, cache, asked = find_registry(registry, home), find_cache(), ModelName.parse(name)
    resolved = resolve(asked, where, cache, offline=offline)
    obtain(resolved, cache, offline=offline)
    cache.remember(where, asked, resolved)
    assert resolved.bundle_digest
    return str(cache.place(resolved.bundle_digest).absolute()), resolved.bundle_digest, resolved.version
