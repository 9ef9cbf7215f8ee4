"""Spans as a tree: parents over children, and beside them what followed in other traces."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from everloop.traces.span import Span


@dataclass(slots=True)
class Node:
    """A span with what it contains and what linked to it from elsewhere, earliest first."""

    span: Span
    children: list["Node"] = field(default_factory=list)
    followers: list[Span] = field(default_factory=list)


def grow(spans: Iterable[Span], followers: Iterable[Span] = ()) -> list[Node]:
    """Put spans of one trace under their parents.

    Args:
        spans: Of one trace; a parent that is missing (not exported yet, or lost) makes its children roots.
        followers: Spans of other traces that link to some of these.

    Returns:
        The roots, earliest first.
    """
    nodes = {span.span_id: Node(span) for span in sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id or "")
        (parent.children if parent and parent is not node else roots).append(node)
    for follower in sorted(followers, key=lambda span: span.start_ns):
        for span_id in {link.span_id for link in follower.links} & nodes.keys():
            nodes[span_id].followers.append(follower)
    return roots


def spans_by_service(spans: Iterable[Span]) -> Mapping[str, int]:
    """Count a trace's spans by the service that made them."""
    return dict(sorted(Counter(span.service for span in spans).items()))


def alike(nodes: Iterable[Node]) -> list[list[Node]]:
    """Put childless siblings of the same service and name together, where there are more than three; keep the order."""
    kinds: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in nodes:
        if not node.children and not node.followers:
            kinds[node.span.service, node.span.name].append(node)
    grouped = {key: group for key, group in kinds.items() if len(group) > 3}
    shown: list[list[Node]] = []
    for node in nodes:
        group = grouped.get((node.span.service, node.span.name))
        if group is None or node not in group:
            shown.append([node])
        elif node is group[0]:
            shown.append(group)
    return shown
