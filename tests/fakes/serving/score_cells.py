"""Cells of scores that every version has."""

from services.chassis.errors import TransientError


class InMemoryScoreCells:
    def __init__(self, *edges: float) -> None:
        self._edges = edges or (0.25, 0.5, 0.75)
        self.away = False

    async def edges(self, bundle_uri: str, bundle_digest: str) -> tuple[float, ...]:
        if self.away:
            raise TransientError("bundle_unreadable")
        return self._edges
