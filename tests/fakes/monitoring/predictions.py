"""The log of predictions in memory."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.monitoring.counting import BoolArray
from services.monitoring.domain import Instant, Join, WatchedVersion, moment
from services.monitoring.ports import KnownPrediction, PredictionRecord
from services.monitoring.quality import Labelled
from services.monitoring.served import Served
from tests.fakes.monitoring.labels import InMemoryLabels


@dataclass(frozen=True)
class _Kept:
    known: KnownPrediction
    record: PredictionRecord


class InMemoryPredictions:
    def __init__(self, labels: InMemoryLabels) -> None:
        self._labels = labels
        self._kept: dict[str, _Kept] = {}
        self._log: list[tuple[Served, BoolArray]] = []

    async def add(self, served: Served) -> BoolArray:
        rows = served.rows
        traces = [batch.traceparent for batch in served.batches for _ in batch.scores]
        new = []
        for position, prediction_id in enumerate(rows.ids):
            new.append(prediction_id not in self._kept)
            if new[-1]:
                record = PredictionRecord(
                    prediction_id=prediction_id,
                    pipeline=served.version.pipeline,
                    version=served.version.number,
                    event_time=moment(int(rows.event_times[position])),
                    served_at=moment(int(rows.served_at[position])),
                    score=rows.scores[position],
                    inputs={name: values[position] for name, values in rows.columns.items()},
                    replica=served.replica,
                    traceparent=traces[position],
                    label=None,
                    history=(),
                )
                known = KnownPrediction(served.version.key, int(rows.event_times[position]), None)
                self._kept[prediction_id] = _Kept(known, record)
        self._log.append((served, np.array(new)))
        return np.array(new)

    async def find(self, pipeline: str, prediction_ids: Sequence[str]) -> dict[str, KnownPrediction]:
        return {
            id_: self._kept[id_].known
            for id_ in prediction_ids
            if id_ in self._kept and self._kept[id_].record.pipeline == pipeline
        }

    async def join(self, joins: Sequence[Join]) -> None:
        for join in joins:
            kept = self._kept[join.prediction_id]
            self._kept[join.prediction_id] = replace(kept, known=replace(kept.known, label=join.label))

    async def labelled(self, version_key: int, start: Instant, end: Instant) -> Labelled:
        rows = [
            (kept.known.event_at, kept.record.score, kept.known.label.value)
            for kept in self._kept.values()
            if kept.known.version_key == version_key and start <= kept.known.event_at < end and kept.known.label
        ]
        event_times, scores, labels = zip(*rows, strict=True) if rows else ((), (), ())
        return Labelled(np.array(event_times, np.int64), np.array(scores, np.float64), np.array(labels, np.float64))

    async def log(self, version: WatchedVersion) -> AsyncIterator[tuple[Served, BoolArray]]:
        for served, new in self._log:
            if served.version.key == version.key:
                yield served, new

    async def get(self, prediction_id: str) -> PredictionRecord | None:
        kept = self._kept.get(prediction_id)
        if kept is None:
            return None
        history = self._labels.history(kept.record.pipeline, prediction_id)
        return replace(kept.record, label=kept.known.label, history=history)

    async def newest(self, version_key: int, *, limit: int) -> list[str]:
        found = [(id_, kept.known) for id_, kept in self._kept.items() if kept.known.version_key == version_key]
        return [id_ for id_, _ in sorted(found, key=lambda one: (-one[1].event_at, one[0]))][:limit]
