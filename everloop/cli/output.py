"""How commands show things: tables and sentences for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

SHORT_DIGEST = 12
WIDE = 240


class Markup(str):
    """Text of our own that carries markup; all other text is shown as it is, whatever brackets it holds."""

    __slots__ = ()


@cache
def console(*, stderr: bool = False) -> "Console":
    """Make the console, once; rich is loaded only where something is drawn."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    # What goes into a file or a pipe is not wrapped at a terminal's usual 80 columns.
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDE)


def show_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def show_json_line(value: object) -> None:
    """Print one JSON document on one line, for streams of them."""
    typer.echo(json.dumps(value, default=str, ensure_ascii=False))


def say(text: str) -> None:
    """Print a sentence for people."""
    console().print(text, soft_wrap=True)


def progress(text: str) -> None:
    """Print what is going on, beside the result."""
    console(stderr=True).print(text, soft_wrap=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, empty: str = "Nothing yet."
) -> None:
    """Print rows, or a sentence where there are none."""
    rows = list(rows)
    if not rows:
        say(f"[dim]{empty}[/dim]")
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(*columns, box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for row in rows:
        drawn.add_row(*("–" if cell is None or cell == "" else _shown(cell) for cell in row))
    console().print(drawn)


def pairs(values: Mapping[str, object]) -> None:
    """Print names and values, one pair per line."""
    from rich.table import Table

    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim")
    drawn.add_column()
    for name, value in values.items():
        if value is not None:
            drawn.add_row(name, _shown(value))
    console().print(drawn)


def _shown(cell: object) -> str:
    from rich.markup import escape

    return cell if isinstance(cell, Markup) else escape(str(cell))


def short(digest: str | None) -> str | None:
    """Shorten a digest for a table; people compare beginnings."""
    return digest and digest.removeprefix("sha256:")[:SHORT_DIGEST]


def when(time: str | datetime | None) -> str | None:
    """Write a time in the reader's zone, to the second."""
    if time is None:
        return None
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def gate_name(verdict: Mapping[str, Any]) -> str:
    """Name the gate of a verdict by its kind and, where it has one, its metric."""
    gate = verdict["gate"]
    return f"{gate['kind']} {gate['metric']}" if "metric" in gate else str(gate["kind"])


def commit_of(made: Mapping[str, Any]) -> str:
    """Write the commit of a lineage, or of a part of one; nothing where there was none."""
    if not made.get("commit"):
        return ""
    return f"commit {made['commit'][:12]}" + (" with uncommitted changes" if made.get("modified") else "")


def number(value: Any) -> str | None:
    """Write a number in at most five digits."""
    return None if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def metrics(values: Mapping[str, float]) -> str:
    """Write metrics in a line."""
    return "  ".join(f"{name} {number(value)}" for name, value in values.items())
