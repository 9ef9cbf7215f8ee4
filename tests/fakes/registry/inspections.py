"""The inspections in memory."""

from dataclasses import replace
from datetime import datetime

from services.registry.domain import Inspection


class InMemoryInspections:
    """Inspections in a dictionary, with the outcomes of those that are closed."""

    def __init__(self) -> None:
        self._inspections: dict[str, Inspection] = {}
        self.outcomes: dict[str, str] = {}

    async def add(self, inspection: Inspection) -> None:
        self._inspections.setdefault(inspection.key, inspection)

    async def find(self, key: str) -> Inspection | None:
        return self._inspections.get(key)

    async def due(self, now: datetime, *, limit: int) -> list[Inspection]:
        waiting = [found for key, found in self._inspections.items() if key not in self.outcomes]
        return sorted((found for found in waiting if found.due_at <= now), key=lambda found: found.due_at)[:limit]

    async def postpone(self, key: str, until: datetime) -> None:
        known = self._inspections[key]
        self._inspections[key] = replace(known, due_at=until, attempts=known.attempts + 1)

    async def outcome(self, key: str) -> str | None:
        return self.outcomes.get(key)

    async def close(self, key: str, outcome: str) -> bool:
        if key in self.outcomes:
            return False
        self.outcomes[key] = outcome
        return True
