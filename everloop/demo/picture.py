"""The demo's picture: how well the frozen model and the live loop ranked each month's flights."""

from collections.abc import Sequence
from pathlib import Path

from everloop.demo.months import Month


def draw(months: Sequence[Month], path: Path) -> None:
    """Draw both AUCs over the months, with the champion's changes marked, into an SVG file."""
    from matplotlib.figure import Figure  # A second of import that only the end of the demo needs.

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    names = [month.month for month in months]
    axes.plot(names, [month.auc_frozen for month in months], "o--", color="#9a9a9a", label="frozen first model")
    axes.plot(names, [month.auc_live for month in months], "o-", color="#1f6feb", label="live loop")
    before = None
    for place, month in enumerate(months):
        if before is not None and month.champion != before:
            axes.annotate(
                f"v{month.champion}", (place, month.auc_live), textcoords="offset points", xytext=(0, 9), ha="center"
            )
        before = month.champion
    axes.margins(y=0.12)
    axes.set_ylabel("AUC of the month's predictions")
    axes.set_title("Will this flight arrive more than 15 minutes late?")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)
