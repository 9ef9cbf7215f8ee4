"""What a replica counted of its messages since its start."""

from dataclasses import dataclass


@dataclass(slots=True)
class QueueCounts:
    """Messages of one queue. ``waiting`` is what the broker said last, over all replicas."""

    completed: int = 0
    failed: int = 0
    dead: int = 0
    waiting: int = 0
