"""`everloop new` and `everloop pipeline`: write, check and register pipelines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everloop.cli import options
from everloop.cli.exits import CommandError, Exit
from everloop.cli.output import metrics, say, short, show_json, table, when
from everloop.cli.session import with_platform

if TYPE_CHECKING:
    from everloop.rebuild import Rebuilt

new_app = typer.Typer(no_args_is_help=True, help="Write a working start.")
app = typer.Typer(no_args_is_help=True, help="Check and register pipelines.")

Folder = Annotated[Path, typer.Argument(help="Folder that holds pipeline.py.", exists=True, file_okay=False)]


@new_app.command("pipeline")
def new_pipeline(
    name: Annotated[str, typer.Argument(help="Lower case, digits and underscores; the model's name too.")],
    directory: Annotated[Path, typer.Option("--in", help="Where its folder is made.", file_okay=False)] = Path(),
) -> None:
    """Write a pipeline that works, with a sample to check it on.

    Example: everloop new pipeline parcels
    """
    from pydantic import TypeAdapter, ValidationError

    from contracts.model import PipelineName
    from everloop.template import new_pipeline as write_pipeline

    try:
        TypeAdapter(PipelineName).validate_python(name)
    except ValidationError as error:
        raise CommandError(
            f"{name!r} is no name: lower-case letter first, then letters, digits, _", Exit.USAGE
        ) from error
    try:
        folder = write_pipeline(name, directory)
    except FileExistsError as error:
        raise CommandError(f"{directory / name} is there already", Exit.USAGE) from error
    for path in sorted(folder.iterdir()):
        say(f"wrote {path}")
    say(f"[dim]everloop pipeline check {folder}\neverloop pipeline register {folder}[/dim]")


@app.command()
def check(
    folder: Folder,
    sample: Annotated[
        Path | None, typer.Option(help="Parquet or CSV rows.", show_default="the folder's sample", dir_okay=False)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run a pipeline on a sample, without any service: contract, features, training, answers.

    Example: everloop pipeline check ./parcels
    """
    from dataclasses import asdict

    from rich.markup import escape

    from everloop.check import check as run_check

    report = run_check(folder, sample)
    if as_json:
        training = report.training.model_dump(mode="json") if report.training else None
        show_json({"passed": report.passed, "steps": list(map(asdict, report.steps)), "training": training})
    else:
        for step in report.steps:
            mark = "[green]✓[/green]" if step.passed else "[red]✗[/red]"
            say(f"{mark} {step.name}  [dim]{step.seconds:.1f} s[/dim]\n    {escape(step.detail)}")
    if not report.passed:
        raise typer.Exit(Exit.FAILED)


@app.command()
def register(
    folders: Annotated[list[Path], typer.Argument(help="Folders that hold pipeline.py.", exists=True, file_okay=False)],
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Make pipelines known to the platform, or put changes to them in force.

    Example: everloop pipeline register ./parcels
    """
    from dataclasses import asdict

    from rich.markup import escape

    from everloop.client import find_endpoints
    from everloop.platform.config import store_uri
    from everloop.platform.home import find_home
    from everloop.platform.registration import pipeline_folders, register_apart

    found = list(pipeline_folders([folder.resolve() for folder in folders]))
    if not found:
        raise CommandError(f"there is no pipeline.py in {', '.join(map(str, folders))}", Exit.USAGE)
    nats_url = find_endpoints(home).nats
    try:
        outcomes = register_apart(found, nats_url=nats_url, store=store_uri(find_home(home)))
    except RuntimeError as error:
        raise CommandError(str(error)) from error
    if as_json:
        show_json([asdict(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            said = f"[red]{escape(outcome.error)}[/red]" if outcome.error else f"code {short(outcome.code_digest)}"
            say(f"{outcome.pipeline or outcome.folder}: {said}")
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(Exit.FAILED)


@app.command("list")
def list_pipelines(home: options.Home = None, as_json: options.Json = False) -> None:
    """List registered pipelines.

    Example: everloop pipeline list
    """

    async def work(platform: Any) -> Any:
        return await platform.get("training", "/v1/pipelines")

    found = with_platform(home, work)
    if as_json:
        show_json(found)
        return
    table(
        ("Pipeline", "Revision", "Code", "Champion", "Registered", "Description"),
        (
            (
                one["name"],
                one["revision"],
                short(one["code_digest"]),
                one["champion_version"],
                when(one["registered_at"]),
                one["description"],
            )
            for one in found
        ),
        empty="No pipeline is registered.",
    )


def rerun(
    model: options.Model,
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    directory: Annotated[
        Path | None, typer.Option("--in", help="Where to work.", show_default="a new folder below the home's reruns")
    ] = None,
    allow_different_environment: Annotated[
        bool, typer.Option(help="Go on although other software is installed.")
    ] = False,
    home: options.Home = None,
    as_json: options.Json = False,
) -> None:
    """Build a version again from what was kept, and compare it byte for byte.

    Example: everloop rerun flight_delays 3
    """
    import tempfile

    from rich.markup import escape

    from everloop.platform.home import find_home
    from everloop.rebuild import RebuildError, rebuild

    async def work(platform: Any) -> Any:
        return await platform.get("registry", f"/v1/models/{model}/versions/{version}")

    kept = with_platform(home, work)
    place = find_home(home).root / "reruns"
    if directory is None:
        place.mkdir(mode=0o700, exist_ok=True)
    target = directory or Path(tempfile.mkdtemp(prefix=f"{model}-{version}-", dir=place))
    target.mkdir(parents=True, exist_ok=True)
    try:
        made = rebuild(
            kept["bundle_uri"],
            kept["bundle_digest"],
            target,
            collected=kept["collected_at"] is not None,
            allow_different_environment=allow_different_environment,
        )
    except RebuildError as error:
        raise CommandError(str(error)) from error
    if as_json:
        show_json(
            {
                "identical": made.identical,
                "expected_model_digest": made.expected_model_digest,
                "model_digest": made.model_digest,
                "expected_bundle_digest": made.expected_bundle_digest,
                "bundle_digest": made.bundle_digest,
                "bundle_uri": made.bundle_uri,
                "golden_difference": made.golden_difference,
                "allowed_difference": made.allowed_difference,
                "environment_differences": made.environment_differences,
                "reasons": made.reasons,
                "metrics": made.report.metrics,
            }
        )
    else:
        say(f"kept     {made.expected_model_digest}\nrebuilt  {made.model_digest}\n{metrics(made.report.metrics)}")
        say(_verdict(made))
        for why in made.reasons:
            say(f"  {escape(why)}")
    if not made.equivalent and not made.environment_differences:
        raise typer.Exit(Exit.FAILED)


def _verdict(made: "Rebuilt") -> str:
    if made.identical:
        return "[green]Identical, byte for byte.[/green]"
    if made.golden_difference is None:
        return "[yellow]Not identical; what it answered was collected, so how far apart they are is not known.[/yellow]"
    off = f"Not identical; answers differ by {made.golden_difference:g}"
    if made.equivalent:
        return f"[green]{off}, of {made.allowed_difference:g} the pipeline allows.[/green]"
    allowed = f", {made.allowed_difference:g} is allowed" if made.allowed_difference else ""
    return f"[yellow]{off}{allowed}.[/yellow]"
