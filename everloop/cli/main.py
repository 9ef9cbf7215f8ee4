"""The command `everloop`."""

import sys

import typer

from everloop.cli import lifecycle
from everloop.cli.exits import Exit, exit_of

app = typer.Typer(
    name="everloop",
    help="Keep machine-learning models alive: events in, retrained models out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PLATFORM = "The platform"

app.command(rich_help_panel=PLATFORM)(lifecycle.up)
app.command(rich_help_panel=PLATFORM)(lifecycle.down)


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
