"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="EVERLOOP_HOME",
        help="Directory of the platform.",
        show_default="~/.everloop",
        file_okay=False,
        rich_help_panel="Common",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of text.", rich_help_panel="Common")
]
By = Annotated[
    str | None, typer.Option("--by", help="Who says so; recorded for good.", show_default="the user logged in")
]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until it is done, showing what happens.")]
WaitLimit = Annotated[float, typer.Option("--wait-limit", metavar="SECONDS", help="Longest wait.", min=1)]
Model = Annotated[str, typer.Argument(help="Name of the model, which is its pipeline's.", show_default=False)]


def person(by: str | None) -> str:
    """Name the person who acts."""
    import getpass

    return by or getpass.getuser()
