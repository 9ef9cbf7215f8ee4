"""How the demo looks: lines while it goes on, tables at its end."""

import sys
import time

from rich.console import Console
from rich.table import Table

from everloop.client.why import Why
from everloop.demo.months import Month, Told
from everloop.demo.story import STAGES
from everloop.platform.home import Home
from everloop.traces.drawing import draw
from everloop.traces.finding import Trace
from everloop.traces.tree import grow

PIPED_WIDTH = 120


class Show:
    """Progress on standard error, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._began = time.monotonic()

    def title(self, text: str) -> None:
        """Begin a part."""
        self._console.print(f"[bold]{self._clock()}  {text}[/bold]")

    def line(self, text: str) -> None:
        """Tell a detail."""
        self._console.print(f"[dim]{self._clock()}[/dim]    {text}")

    def month(self, month: Month) -> None:
        """Tell how a month ended."""
        self.line(f"AUC frozen {month.auc_frozen:.3f}, live {month.auc_live:.3f}; {month.drift}; {month.decision}")

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return round(time.monotonic() - self._began, 1)

    def _clock(self) -> str:
        return f"{self.seconds:5.0f} s"


def print_report(told: Told, why: Why, trace: Trace, home: Home) -> None:
    """Print what was measured on standard output."""
    from everloop.cli.answers import why_tree

    # Where nobody looks, in a file or a pipe, lines may be as long as they need to be.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print("", _months(told), "", _totals(told), "")
    if told.refused_on_purpose:
        console.print("Real data gave no refusal; the refused candidate was trained on a harmed sample, on purpose.\n")
    console.print(draw(grow(trace.spans, trace.followers), "[bold]from the file's arrival to the first answer[/bold]"))
    console.print("", why_tree(why), "")
    console.print(f"the picture: {told.picture}")
    console.print(f"to look around in it: everloop up --home {home.root}")


def _months(told: Told) -> Table:
    table = Table(
        title="flight_delays in 2013: AUC of the frozen first model and of the live loop", title_justify="left"
    )
    for name, justify in (("month", "left"), ("flights", "right"), ("frozen", "right"), ("live", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("monitors said")
    table.add_column("by", no_wrap=True)
    table.add_column("the loop at its end")
    for month in told.months:
        table.add_row(
            month.month,
            f"{month.flights:,}",
            f"{month.auc_frozen:.3f}",
            f"[bold]{month.auc_live:.3f}[/bold]" if month.auc_live > month.auc_frozen else f"{month.auc_live:.3f}",
            month.drift,
            f"v{month.champion}",
            month.decision,
        )
    return table


def _totals(told: Told) -> Table:
    table = Table(title="in all", title_justify="left", show_header=False)
    latency = told.loop_latency_s
    stages = ", ".join(f"{stage} {latency[stage]:.1f}" for stage in STAGES if stage in latency)
    for name, value in (
        ("predictions over HTTP", f"{told.predictions:,}"),
        ("failed requests", str(told.failed_requests)),
        ("training runs", f"{told.runs}, {told.retrainings_from_monitoring} of them caused by a monitor"),
        ("promotions, refusals", f"{told.promotions}, {told.refusals}"),
        ("file to answering model", f"{latency.get('total', 0):.1f} s (median; {stages})"),
        ("whole demo", f"{told.seconds:.0f} s"),
    ):
        table.add_row(name, value)
    return table
