"""Labels in memory."""

from collections import defaultdict
from collections.abc import Sequence

from services.monitoring.domain import Label, latest


class InMemoryLabels:
    def __init__(self) -> None:
        self._labels: defaultdict[tuple[str, str], set[Label]] = defaultdict(set)

    async def keep(self, pipeline: str, labels: Sequence[tuple[str, Label]]) -> None:
        for prediction_id, label in labels:
            self._labels[pipeline, prediction_id].add(label)

    async def of(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, Label]:
        found = {id_: latest(self.history(pipeline, id_)) for id_ in prediction_ids}
        return {id_: label for id_, label in found.items() if label}

    def history(self, pipeline: str, prediction_id: str) -> tuple[Label, ...]:
        said = self._labels.get((pipeline, prediction_id), set())
        return tuple(sorted(said, key=lambda label: label.rank))
