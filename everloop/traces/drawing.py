"""Traces drawn as trees for a terminal."""

from collections.abc import Sequence

from rich.markup import escape
from rich.tree import Tree

from everloop.traces.span import Span
from everloop.traces.tree import Node, alike

COLOURS = {
    "ingestion": "cyan",
    "training": "blue",
    "ray-job": "yellow",
    "registry": "magenta",
    "serving": "green",
    "monitoring": "bright_red",
}


def draw(roots: Sequence[Node], title: str) -> Tree:
    """Draw a trace: service, name, when it began after the first span, how long it took."""
    tree = Tree(title, guide_style="dim")
    began = min((node.span.start_ns for node in roots), default=0)
    _hang(tree, roots, began)
    return tree


def _hang(branch: Tree, nodes: Sequence[Node], began: int) -> None:
    for group in alike(nodes):
        node = group[0]
        longer = f" [dim]and {len(group) - 1} more alike[/dim]" if len(group) > 1 else ""
        twig = branch.add(_line(node.span, began) + longer)
        _hang(twig, node.children, began)
        for follower in node.followers:
            twig.add(f"[dim]⇢ linked from trace {follower.trace_id[:8]}[/dim]  {_line(follower, began)}")


def _line(span: Span, began: int) -> str:
    colour = COLOURS.get(span.service, "white")
    failed = f"  [red]✗ {escape(span.error[:100])}[/red]" if span.error else ""
    return (
        f"[{colour}]{escape(span.service)}[/{colour}]  {escape(span.name)}  "
        f"[bold]{seconds(span.duration_s)}[/bold] [dim]at +{seconds((span.start_ns - began) / 1e9)}[/dim]{failed}"
    )


def seconds(value: float) -> str:
    """Write a duration with three digits and a fitting unit."""
    if abs(value) < 0.001:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.3g} ms" if abs(value) < 1 else f"{value:.2f} s"
