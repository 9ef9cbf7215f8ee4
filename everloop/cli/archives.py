"""`everloop export` and `everloop import`: a version as one file, to be built again where nothing of it is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError
from everloop.cli.output import pairs, progress, say, show_json
from everloop.cli.session import outcome, with_platform

if TYPE_CHECKING:
    from contracts.archive import ArchiveIndex
    from contracts.message import Message
    from contracts.registry import ImportModelVersion, ModelVersionImported
    from everloop.archive import Archive, Placed
    from everloop.client import Platform
    from everloop.client.records import Kept

IMPORT_LIMIT_S = 300.0
MIB = 1024 * 1024


def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL[@ALIAS|/VERSION]", help="Such as flights@champion or flights/3.", show_default=False
        ),
    ],
    archive: Annotated[Path, typer.Argument(help="File to write; must not be there.", dir_okay=False)],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Write everything a version is made of into one file: data, code, environment, model, verdicts, history.

    Keep the digest it prints: with it, whoever imports the file can tell that nobody has changed it.

    Example: everloop export flight_delays@champion flight_delays.zip
    """
    from everloop.archive import contents_of, write_archive
    from everloop.models.names import ModelName

    asked = ModelName.parse(name)

    async def work(platform: "Platform") -> "Kept":
        from everloop.client.records import kept_version, number_of

        return await kept_version(platform, asked.model, await number_of(platform, asked.model, asked.which))

    kept = with_platform(home, work)
    members = contents_of(kept.bundle_uri, kept.bundle_digest, kept.record)
    progress(f"[dim]writing {len(members)} files of {asked.model} version {kept.record.version}[/dim]")
    digest = write_archive(archive, kept.record, members)
    told = {
        "archive": str(archive),
        "digest": digest,
        "version": kept.record.version,
        "files": len(members),
        "size_bytes": archive.stat().st_size,
    }
    if as_json:
        show_json(told)
    else:
        say(f"wrote {archive}")
        pairs({"version": f"{asked.model} {kept.record.version}", "size": _size(archive), "digest": digest})


def import_version(
    archive: Annotated[Path, typer.Argument(help="File that `everloop export` wrote.", exists=True, dir_okay=False)],
    digest: Annotated[
        str | None, typer.Option(help="What `everloop export` printed; another archive is refused.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; recorded for good.")] = "imported from an archive",
    by: options.By = None,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Take a version in that another platform made. Every digest is verified before anything is written.

    It is known here with its number and its history, and can be built again; no gate of this platform has judged it,
    so it never becomes champion.

    Example: everloop import flight_delays.zip
    """
    from contracts.registry import ImportModelVersion
    from everloop.archive import open_archive, place
    from everloop.platform.config import store_uri
    from everloop.platform.home import find_home

    with open_archive(archive) as opened:
        if digest not in (None, opened.digest):
            raise CommandError(f"{archive} is {opened.digest}, expected {digest}")
        _verify(opened)
        with_platform(home, lambda platform: _refuse_known(platform, opened.index))
        placed = place(opened, store_uri(find_home(home)))
        differences = _differences(opened)
        command = _command(ImportModelVersion, opened.index, placed, by=options.person(by), reason=reason)
    fact = with_platform(home, lambda platform: _say(platform, command))
    if as_json:
        show_json({**fact.model_dump(mode="json"), "archive_digest": opened.digest, "environment": differences})
        return
    number = "" if fact.version == fact.original_version else f", where it came from version {fact.original_version}"
    say(f"{fact.pipeline} version {fact.version} is known here{number}.")
    if differences:
        shown = "\n".join(f"  {difference}" for difference in differences)
        say(f"[yellow]Other software is installed here; to build it again byte for byte, install:[/yellow]\n{shown}")
    say(f"[dim]everloop rerun {fact.pipeline} {fact.version}[/dim]")


def _verify(archive: "Archive") -> None:
    total = sum(file.size_bytes for file in archive.index.files)
    progress(f"[dim]checking {len(archive.index.files)} files, {total / MIB:.1f} MiB[/dim]")
    for _ in archive.verify():
        pass


async def _refuse_known(platform: "Platform", index: "ArchiveIndex") -> None:
    """Write nothing where the registry would refuse the version anyway."""
    from everloop.client import RefusedError

    try:
        found = await platform.get("registry", f"/v1/lineage/{index.run_id}")
    except RefusedError:
        return
    known = found["versions"][0]
    raise CommandError(
        f"{index.pipeline} version {index.version} is here already, as {known['model']} {known['version']}"
    )


def _differences(archive: "Archive") -> tuple[str, ...]:
    from ray_jobs import environment

    return environment.differences(archive.environment, environment.installed())


def _command(
    kind: "type[ImportModelVersion]", index: "ArchiveIndex", placed: "Placed", *, by: str, reason: str
) -> "ImportModelVersion":
    return kind(
        pipeline=index.pipeline,
        run_id=index.run_id,
        report_uri=placed.report_uri,
        report_digest=placed.report_digest,
        bundle_uri=placed.bundle_uri,
        bundle_digest=placed.bundle_digest,
        record_uri=placed.record_uri,
        record_digest=placed.record_digest,
        imported_by=by,
        reason=reason,
    )


async def _say(platform: "Platform", command: "ImportModelVersion") -> "ModelVersionImported":
    from contracts.registry import ModelCommandRefused, ModelVersionImported

    def answer(message: "Message") -> "ModelVersionImported | None":
        if isinstance(message, ModelCommandRefused):
            raise CommandError(f"refused: {message.detail}")
        return message if isinstance(message, ModelVersionImported) else None

    return await outcome(platform, command, answer, within_s=IMPORT_LIMIT_S)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / MIB:.1f} MiB"
