"""The command `everloop`."""

import sys
from collections.abc import Callable

import typer

from everloop.cli import (
    alerts,
    answers,
    archives,
    bundle,
    bus,
    condition,
    dead,
    garbage,
    inference,
    lifecycle,
    lineages,
    models,
    pipelines,
    precompute,
    registry,
    rollouts,
    verifying,
    watching,
    work,
)
from everloop.cli.exits import Exit, exit_of

app = typer.Typer(
    name="everloop",
    help="Keep machine-learning models alive: events in, retrained models out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "The platform": (lifecycle.up, lifecycle.down, condition.status, condition.doctor, watching.demo),
    "The loop": (
        work.ingest,
        work.train,
        work.runs,
        inference.predict,
        inference.result,
        inference.label,
        precompute.lookup,
    ),
    "Models": (
        models.models,
        models.approve,
        models.reject,
        models.waive,
        models.gates,
        models.rollback,
        pipelines.rerun,
        verifying.verify,
        garbage.gc,
        archives.export,
    ),
    "Answers": (answers.why, answers.trace, lineages.lineage, lineages.diff, watching.monitor),
    "The bus": (bus.publish, bus.events),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command("import", rich_help_panel="Models")(archives.import_version)
app.add_typer(dead.app, name="dead", rich_help_panel="The bus")
app.add_typer(alerts.app, name="alerts", rich_help_panel="Answers")
app.add_typer(registry.app, name="registry", rich_help_panel="Models")
app.add_typer(rollouts.app, name="rollout", rich_help_panel="Models")
app.add_typer(precompute.app, name="precompute", rich_help_panel="Models")
app.add_typer(bundle.app, name="bundle", rich_help_panel="Models")
app.add_typer(watching.dataset, name="dataset", rich_help_panel="Answers")
app.add_typer(pipelines.new_app, name="new", rich_help_panel="Pipelines")
app.add_typer(pipelines.app, name="pipeline", rich_help_panel="Pipelines")


def main() -> None:
    """Run a command; tell what went wrong in one sentence and by the exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:
        code = exit_of(error)
        if code is None:
            raise
        typer.secho(f"everloop: {error}", fg="red", err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
